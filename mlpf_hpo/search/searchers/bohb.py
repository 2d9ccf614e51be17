"""`BOHBSearcher`: the model of BOHB, from hpbandster, as Ray's `TuneBOHB` uses it; extra `bohb`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.searchers.domain_values import from_library, to_library
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Configuration, Domain, Integer, Mode, SearchSpace


class BOHBSearcher:
    """Propose by kernel densities of good and of other configurations.

    Every epoch of a trial is a result with a budget of so many epochs; of budgets that have enough results
    for both densities the largest counts. A third of the proposals are random ones of hpbandster's. Each
    proposal has a seed of its own, which follows from the number of trials that have started.

    Parameters
    ----------
    space : SearchSpace
        What may be proposed.
    max_epochs : int
        Number of epochs of a full training; not used.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    seed : int
        Of the proposals.

    Raises
    ------
    ConfigurationError
        If hpbandster or ConfigSpace is not installed.

    References
    ----------
    S. Falkner, A. Klein, F. Hutter, "BOHB: robust and efficient hyperparameter optimization at scale", ICML
    2018, arXiv 1807.01774. Ray Tune's `TuneBOHB` passes results to the same object.
    """

    def __init__(self, space: SearchSpace, max_epochs: int, mode: Mode = "min", seed: int = 0) -> None:
        generator, self._configurations = _libraries()
        self.space = space
        self.mode: Mode = mode
        self.seed = seed
        self._space = self._configurations.ConfigurationSpace()
        for name, domain in space.domains.items():
            self._space.add(self._hyperparameter(name, domain))
        self._model = generator(self._space)
        self._trials: dict[str, dict[str, Any]] = {}

    def suggest(self) -> Configuration | None:
        """Return the proposal of BOHB; None while too few trials have a value after the same epoch."""
        if not self._model.kde_models:
            return None
        with self._seeded():
            proposed, _ = self._model.get_config(None)
        return from_library(self.space, proposed)

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record a trial that starts."""
        self._trials[trial_id] = to_library(self.space, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> None:
        """Add a result to the model of its budget; a value that is not finite is the worst of all."""
        cost = value if self.mode == "min" else -value
        self._model.new_result(
            SimpleNamespace(
                result={"loss": cost if math.isfinite(cost) else math.inf},
                kwargs={"budget": epoch, "config": self._trials[trial_id]},
                exception=None,
            )
        )

    def on_trial_complete(self, trial_id: str) -> None:
        """Nothing: the results are in the model."""

    def on_trial_error(self, trial_id: str) -> None:
        """Nothing: hpbandster cannot take a result back."""

    def _hyperparameter(self, name: str, domain: Domain) -> Any:
        made = self._configurations.hyperparameters
        if isinstance(domain, Choice):
            return made.CategoricalHyperparameter(name, choices=domain.values)
        kind = (
            made.UniformIntegerHyperparameter
            if isinstance(domain, Integer)
            else made.UniformFloatHyperparameter
        )
        return kind(name, lower=domain.low, upper=domain.high, log=domain.scale == "log")

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Give hpbandster, which draws from NumPy's global state, the seed of the next proposal."""
        seed, before = derive_seed(self.seed, "proposal", len(self._trials)), np.random.get_state()  # noqa: NPY002
        self._space.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


def _libraries() -> tuple[Any, Any]:
    """Return hpbandster's generator of configurations, and the library of their spaces."""
    try:
        import ConfigSpace
        from hpbandster.optimizers.config_generators.bohb import BOHB
    except ImportError as error:
        raise ConfigurationError(
            f"searcher bohb needs hpbandster and ConfigSpace: pip install 'mlpf_hpo[bohb]' ({error})"
        ) from error
    return BOHB, ConfigSpace
