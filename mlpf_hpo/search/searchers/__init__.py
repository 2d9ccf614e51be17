"""Registry of searchers: `params.yaml` and the command line name them, `make_searcher` returns a fresh one.

Built-in ones, one a file, are imported when they are used. Installed packages add others through entry points
in the group `mlpf_hpo.searchers`. The name "random" stands for none: the search's random stream.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.extensions import InModule, Registry
from mlpf_hpo.search.searcher import Searcher
from mlpf_hpo.space import Mode, SearchSpace

RANDOM = "random"
"""In place of a searcher's name: configurations of the search's random stream, in their order."""

SEARCHERS: Registry[Callable[..., Searcher]] = Registry(
    "mlpf_hpo.searchers",
    "searcher",
    {
        "tpe": InModule(f"{__name__}.tpe", "TPESearcher"),
        "bohb": InModule(f"{__name__}.bohb", "BOHBSearcher"),
    },
)
"""Constructors of searchers, by name: of (space, max_epochs, mode, seed), and prior if they take one."""

SEARCHER_LABELS = {"tpe": "TPE", "bohb": "BOHB"}
"""How searchers are called in captions; others by their names."""


def check_searcher(name: str, where: str = "") -> None:
    """Refuse a name that is neither "random" nor a searcher's; `where` says which parameter has it."""
    if name != RANDOM:
        SEARCHERS.check(name, where)


def searcher_takes_prior(name: str) -> bool:
    """Return whether a searcher takes the curves of a prior campaign.

    Examples
    --------
    >>> searcher_takes_prior("tpe"), searcher_takes_prior("bohb"), searcher_takes_prior("random")
    (True, False, False)
    """
    return name != RANDOM and "prior" in inspect.signature(SEARCHERS.lookup(name)).parameters


def make_searcher(
    name: str,
    space: SearchSpace,
    max_epochs: int,
    mode: Mode = "min",
    seed: int = 0,
    prior: LearningCurves | None = None,
) -> Searcher:
    """Return a fresh searcher.

    Parameters
    ----------
    name : str
        In the registry.
    space : SearchSpace
        What may be proposed.
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    seed : int
        Same seed, same calls: same proposals.
    prior : LearningCurves, optional
        Curves of a prior campaign, for a searcher that takes one; others do without.

    Raises
    ------
    ConfigurationError
        If there is no such searcher, or what it needs is not installed.
    DataError
        If it cannot use the prior.

    Examples
    --------
    >>> from mlpf_hpo.space import Uniform
    >>> make_searcher("tpe", SearchSpace({"dropout": Uniform(0.0, 0.5)}), max_epochs=9).suggest() is None
    True
    """
    data: dict[str, Any] = {"prior": prior} if prior is not None and searcher_takes_prior(name) else {}
    return SEARCHERS.lookup(name)(space, max_epochs=max_epochs, mode=mode, seed=seed, **data)
