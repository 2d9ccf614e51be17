"""`ProposingScheduler`: any scheduler, for trials that get their configurations from a searcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.scheduler import Decision, Scheduler, Stop
from mlpf_hpo.search.searcher import Searcher
from mlpf_hpo.search.searchers import make_searcher
from mlpf_hpo.space import Configuration, Mode, SearchSpace, Value

Realize = Callable[[str, Configuration], Configuration]
"""Fixes a trial's configuration, given its id and what is proposed; returns what it is trained with."""


class OpenConfiguration(Mapping[str, Value]):
    """The configuration of a trial that a searcher fixes when the trial starts; before, reading it raises.

    Examples
    --------
    >>> configuration = OpenConfiguration()
    >>> configuration.fix({"lr": 0.1})
    >>> dict(configuration)
    {'lr': 0.1}
    """

    def __init__(self) -> None:
        self._fixed: Configuration | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the trial has started."""
        return self._fixed is not None

    def fix(self, configuration: Configuration) -> None:
        """Fix it."""
        self._fixed = dict(configuration)

    def _read(self) -> Configuration:
        if self._fixed is None:
            raise ConfigurationError("configurations are read before trials start")
        return self._fixed

    def __getitem__(self, name: str) -> Value:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class ProposingScheduler:
    """Follow a scheduler; when it starts a trial, let a searcher fix the trial's configuration.

    The scheduler gets all trials at first, with configurations that are still open. So the searcher has seen
    every result that was reported before a trial starts. Where it proposes nothing, the trial has the
    configuration that it was added with, that of the search's random stream.

    Parameters
    ----------
    scheduler : Scheduler
        Decides on everything else. It must not read a configuration before its trial starts.
    searcher : Searcher
        Proposes configurations.
    space : SearchSpace
        Of which they are.
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Attributes
    ----------
    realize : callable
        (trial id, proposed configuration) -> the configuration that is trained; who trains sets it. By
        default what is proposed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from mlpf_hpo import FullTraining, SearchSpace, Uniform
    >>> half = SimpleNamespace(suggest=lambda: {"lr": 0.5}, on_trial_add=print)
    >>> space = SearchSpace({"lr": Uniform(0.0, 1.0)})
    >>> scheduler = ProposingScheduler(FullTraining(), half, space, max_epochs=9)
    >>> scheduler.on_trial_add("t0", {"lr": 0.1})
    >>> scheduler.choose(pending=["t0"], paused=[])
    t0 {'lr': 0.5}
    't0'
    """

    def __init__(
        self,
        scheduler: Scheduler,
        searcher: Searcher,
        space: SearchSpace,
        max_epochs: int,
        mode: Mode = "min",
    ) -> None:
        self.scheduler = scheduler
        self.searcher = searcher
        self.space = space
        self.max_epochs = max_epochs
        self.mode: Mode = mode
        self.realize: Realize = lambda _, proposed: proposed
        self._stream: dict[str, Configuration] = {}
        self._open: dict[str, OpenConfiguration] = {}

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why the scheduler stopped each trial that it stopped."""
        return self.scheduler.stops

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Pass the trial on without its configuration, that of the random stream."""
        self._stream[trial_id] = configuration
        self._open[trial_id] = OpenConfiguration()
        self.scheduler.on_trial_add(trial_id, self._open[trial_id])

    def start(self, trial_id: str, configuration: Configuration) -> None:
        """Record that a trial has started: now, or before a restart, where this comes before all results."""
        self._open[trial_id].fix(configuration)
        self.searcher.on_trial_add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Pass the result on to both."""
        self.searcher.on_trial_result(trial_id, epoch, value)
        return self.scheduler.on_trial_result(trial_id, epoch, value)

    def on_trial_complete(self, trial_id: str) -> None:
        """Pass the end of a trial on; a searcher has not seen those that never started."""
        if self._open[trial_id].is_fixed:
            self.searcher.on_trial_complete(trial_id)
        self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Pass the failure of a trial on."""
        if self._open[trial_id].is_fixed:
            self.searcher.on_trial_error(trial_id)
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return what the scheduler chooses; a trial that starts gets its configuration."""
        chosen = self.scheduler.choose(pending, paused)
        if chosen is not None and not self._open[chosen].is_fixed:
            proposed = self.searcher.suggest()
            self.start(chosen, self.realize(chosen, self._stream[chosen] if proposed is None else proposed))
        return chosen


def with_searcher(
    make: Callable[[], Scheduler],
    name: str,
    searcher: str,
    space: SearchSpace,
    max_epochs: int,
    mode: Mode = "min",
    seed: int = 0,
    prior: LearningCurves | None = None,
) -> Scheduler:
    """Return a fresh scheduler, whose trials a searcher gives their configurations.

    Parameters
    ----------
    make : callable
        Makes the scheduler.
    name, searcher : str
        Of the scheduler, for messages; of the searcher.
    space, max_epochs, mode, seed, prior
        As for `make_searcher`.

    Raises
    ------
    ConfigurationError
        If the scheduler reads configurations before their trials start, to choose among them; or as
        `make_searcher`.
    DataError
        As `make_searcher`.

    Examples
    --------
    >>> from mlpf_hpo import SearchSpace, Uniform
    >>> from mlpf_hpo.search.schedulers import make_scheduler
    >>> make = lambda: make_scheduler("freeze_thaw", max_epochs=9)
    >>> with_searcher(make, "freeze_thaw", "tpe", SearchSpace({"x": Uniform(0.0, 1.0)}), max_epochs=9)
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: scheduler freeze_thaw takes no searcher: it chooses among ...
    """
    proposing, scheduler = make_searcher(searcher, space, max_epochs, mode, seed, prior), make()
    try:
        scheduler.on_trial_add("t0", OpenConfiguration())
        scheduler.choose(["t0"], [])
    except ConfigurationError as error:
        raise ConfigurationError(
            f"scheduler {name} takes no searcher: it chooses among configurations that are all known before "
            "the first trial starts; leave its searcher out"
        ) from error
    return ProposingScheduler(make(), proposing, space, max_epochs, mode)
