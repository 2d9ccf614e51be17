"""Values of configurations as a library of searchers takes them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpf_hpo.space import Choice, Configuration, Domain, Integer, SearchSpace, Value


def to_library(space: SearchSpace, configuration: Configuration) -> dict[str, Value]:
    """Return the values of a space's hyperparameters, none beyond a bound: a logarithm may have moved it.

    Examples
    --------
    >>> from mlpf_hpo.space import LogUniform
    >>> to_library(SearchSpace({"lr": LogUniform(1e-4, 0.1)}), {"lr": 0.10000000000000002, "seed": 7})
    {'lr': 0.1}
    """
    return {name: _bounded(domain, configuration[name]) for name, domain in space.domains.items()}


def from_library(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Value]:
    """Return a configuration of a library's values, of the types that `SearchSpace.sample` gives.

    Examples
    --------
    >>> import numpy as np
    >>> space = SearchSpace({"layers": Integer(1, 4), "bias": Choice((False, True))})
    >>> from_library(space, {"layers": np.int64(2), "bias": np.bool_(True)})
    {'layers': 2, 'bias': True}
    """
    return {name: _own(domain, values[name]) for name, domain in space.domains.items()}


def _bounded(domain: Domain, value: Value) -> Value:
    if isinstance(domain, Choice):
        return _own(domain, value)
    bounded = min(max(value, domain.low), domain.high)
    return int(bounded) if isinstance(domain, Integer) else float(bounded)


def _own(domain: Domain, value: Any) -> Value:
    if isinstance(domain, Choice):
        return next(one for one in domain.values if one == value)
    return int(value) if isinstance(domain, Integer) else float(value)
