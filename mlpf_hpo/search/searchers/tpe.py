"""`TPESearcher`: Optuna's tree-structured Parzen estimator, cold or warm-started by a prior campaign."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.prior_ranking import check_mode, final_costs
from mlpf_hpo.search.searchers.domain_values import from_library, to_library
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Configuration, Domain, Integer, Mode, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

STARTUP = 10
"""Trials with a value, those of the prior included, before which nothing is proposed: Optuna's default."""


@dataclass
class _Observed:
    """A trial that has started: its configuration, and what its values cost so far."""

    configuration: Configuration
    costs: list[float] = field(default_factory=list)
    ended: bool = False


class TPESearcher:
    """Propose by Optuna's `TPESampler` with its defaults: where good configurations are denser than others.

    Optuna sees a trial that finished with its final value, any other that has a value as pruned at its last
    epoch (a paused one is not distinguished: of pruned trials the furthest are the best), one without a value
    as running, one that diverged as the worst. A failed one it does not see.
    Each proposal has a sampler of its own, whose seed follows from the number of trials that have started: a
    restart needs no record of random numbers.

    Parameters
    ----------
    space : SearchSpace
        What may be proposed.
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    seed : int
        Of the proposals.
    prior : LearningCurves, optional
        Curves of a prior campaign: each training that came to an end is a completed trial before the first,
        a diverged one as bad as the worst. Rows outside of the space are left out.

    Raises
    ------
    ConfigurationError
        If the prior has another mode.
    DataError
        If no row of the prior can be used.

    References
    ----------
    J. Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011; S. Watanabe,
    "Tree-structured Parzen estimator", arXiv 2304.11127.

    Examples
    --------
    >>> from mlpf_hpo.space import Uniform
    >>> searcher = TPESearcher(SearchSpace({"x": Uniform(0.0, 1.0)}), max_epochs=1)
    >>> for i in range(20):
    ...     searcher.on_trial_add(f"t{i}", {"x": i / 20})
    ...     searcher.on_trial_result(f"t{i}", 1, abs(i / 20 - 0.3))
    >>> abs(searcher.suggest()["x"] - 0.3) < 0.2
    True
    """

    def __init__(
        self,
        space: SearchSpace,
        max_epochs: int,
        mode: Mode = "min",
        seed: int = 0,
        prior: LearningCurves | None = None,
    ) -> None:
        self.space = space
        self.max_epochs = max_epochs
        self.mode: Mode = mode
        self.seed = seed
        self._prior = [] if prior is None else _finished(prior, space, mode)
        self._trials: dict[str, _Observed] = {}

    def suggest(self) -> Configuration | None:
        """Return the proposal of Optuna; None while fewer than `STARTUP` trials have a value."""
        observed = [
            self._trials[trial_id] for trial_id in sorted(self._trials, key=lambda one: (len(one), one))
        ]
        if len(self._prior) + sum(bool(trial.costs) for trial in observed) < STARTUP:
            return None
        import optuna

        sampler = optuna.samplers.TPESampler(seed=derive_seed(self.seed, "proposal", len(self._trials)))
        distributions = {name: _distribution(domain) for name, domain in self.space.domains.items()}
        with _quiet():
            study = optuna.create_study(sampler=sampler)
            study.add_trials(
                _completed(configuration, cost, distributions, self.space)
                for configuration, cost in self._prior
            )
            study.add_trials(
                _frozen(trial, self.max_epochs, distributions, self.space)
                for trial in observed
                if trial.costs or not trial.ended
            )
            return from_library(self.space, study.ask(distributions).params)

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Record a trial that starts."""
        self._trials[trial_id] = _Observed(configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> None:
        """Record a value."""
        self._trials[trial_id].costs.append(value if self.mode == "min" else -value)

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended."""
        self._trials[trial_id].ended = True

    def on_trial_error(self, trial_id: str) -> None:
        """Forget the values of a trial that failed."""
        self._trials[trial_id].ended = True
        self._trials[trial_id].costs.clear()


def _finished(prior: LearningCurves, space: SearchSpace, mode: Mode) -> list[tuple[Configuration, float]]:
    """Return configurations of a prior campaign, and what their final values cost."""
    check_mode(prior, mode, "searcher tpe")
    missing = [name for name in space.names if name not in prior.hyperparameters]
    if missing:
        raise DataError(
            f"prior {prior.source or 'campaign'}: lacks {', '.join(missing)}; searcher tpe needs every "
            "hyperparameter of the search in it"
        )
    rows = prior.configs[list(space.names)].astype(object).to_dict("records")
    found: list[tuple[Configuration, float]] = [
        ({str(name): value for name, value in row.items()}, float(cost))
        for row, cost in zip(rows, final_costs(prior), strict=True)
        if np.isfinite(cost) and all(domain.contains(row[name]) for name, domain in space.domains.items())
    ]
    if not found:
        raise DataError(
            f"prior {prior.source or 'campaign'}: none of its {len(prior)} curves has a final value and lies "
            "in the search space"
        )
    return found


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna import distributions

    if isinstance(domain, Choice):
        return distributions.CategoricalDistribution(domain.values)
    log = domain.scale == "log"
    if isinstance(domain, Integer):
        return distributions.IntDistribution(domain.low, domain.high, log=log)
    return distributions.FloatDistribution(domain.low, domain.high, log=log)


def _completed(
    configuration: Configuration, cost: float, distributions: dict[str, BaseDistribution], space: SearchSpace
) -> FrozenTrial:
    from optuna.trial import create_trial

    return create_trial(params=to_library(space, configuration), distributions=distributions, value=cost)


def _frozen(
    trial: _Observed, max_epochs: int, distributions: dict[str, BaseDistribution], space: SearchSpace
) -> FrozenTrial:
    """Return a trial as Optuna sees it."""
    from optuna.trial import TrialState, create_trial

    last, epochs = trial.costs[-1] if trial.costs else math.nan, len(trial.costs)
    if epochs >= max_epochs and math.isfinite(last):
        return _completed(trial.configuration, last, distributions, space)
    return create_trial(
        params=to_library(space, trial.configuration),
        distributions=distributions,
        state=TrialState.PRUNED if trial.costs else TrialState.RUNNING,
        intermediate_values={epochs: last} if math.isfinite(last) else {},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging every study that is made."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
