"""`Scheduler`: the protocol of schedulers, which start, pause, resume and stop trials; `BaseScheduler`.

A scheduler uses neither Ray nor files nor clocks: its methods receive trials and values and return decisions.
Ray Tune (`ray_adapter`) and a replay of recorded curves run the same object.
"""

from __future__ import annotations

import abc
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal, Protocol

from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.space import Configuration, Mode


class Decision(enum.Enum):
    """What happens to a trial after an epoch.

    Examples
    --------
    >>> Decision("stop") is Decision.STOP, [decision.value for decision in Decision]
    (True, ['continue', 'pause', 'stop'])
    """

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Stop:
    """Why a trial was stopped.

    Attributes
    ----------
    trial_id : str
        The trial.
    epoch : int
        Number of epochs that it had completed.
    value : float
        Its value after that epoch.
    reason : {"rank", "prediction", "diverged", "not promoted", "not started"}
        The rule that stopped it; "not started" (after 0 epochs, value NaN) where the search ended before.
    threshold : float or None
        The value (rank) or the bound (prediction) that it failed to reach.
    prediction : Prediction or None
        What was predicted of its final value at that time, where anything was.
    """

    trial_id: str
    epoch: int
    value: float
    reason: Literal["rank", "prediction", "diverged", "not promoted", "not started"]
    threshold: float | None = None
    prediction: Prediction | None = None

    def __str__(self) -> str:
        """Return the reason as text."""
        if self.epoch == 0:
            return self.reason
        text = f"{self.reason} after epoch {self.epoch}: {self.value:.5g}"
        if self.prediction is not None:
            text += f", predicted {_format_prediction(self.prediction)}"
        return text if self.threshold is None else f"{text}, limit {self.threshold:.5g}"


@dataclass(frozen=True)
class Result:
    """One epoch of one trial: a value, and the scheduler's decision.

    Attributes
    ----------
    key : str
        The trial's key.
    epoch : int
        Number of epochs completed.
    metric, value : str, float
        The target metric, and its value; NaN where the trial diverged.
    decision, stop : Decision, Stop or None
        What the scheduler decided, and why, if it stopped the trial.
    """

    key: str
    epoch: int
    metric: str
    value: float
    decision: Decision
    stop: Stop | None = None


class Scheduler(Protocol):
    """A scheduler. Epochs are counted from 1: `epoch` is the number of epochs completed.

    The caller guarantees: `on_trial_add` comes first and once; results of one trial come in the order of its
    epochs, each once; `on_trial_complete` or `on_trial_error` comes last and once.
    A scheduler's state depends on these calls only, so that it is rebuilt after a restart by repeating them.
    In a `PredictiveScheduler` a stop may be overruled: further results of that trial follow.

    Examples
    --------
    >>> from mlpf_hpo import PromotionASHA, Scheduler
    >>> scheduler: Scheduler = PromotionASHA(max_epochs=9)
    >>> scheduler.choose(pending=["t0", "t1"], paused=[])
    't0'
    """

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why each stopped trial was stopped."""

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Add a trial that may be started."""

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch.

        After the last epoch the decision has no effect: the trial has finished.
        """

    def on_trial_complete(self, trial_id: str) -> None:
        """Record that a trial ended: finished, stopped, or diverged."""

    def on_trial_error(self, trial_id: str) -> None:
        """Record that a trial failed; no further results follow."""

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the trial to run next, or None to leave the worker idle for now.

        Called only when a worker is free; the trial returned is started (or resumed) at once. None while
        nothing runs ends the search: paused trials are not promoted, pending ones not started.

        Parameters
        ----------
        pending : sequence of str
            Trials that were never started, in order. Both are views of what the caller holds, which change
            after the call: see `WaitingTrials` for what takes no time however many there are.
        paused : sequence of str
            Trials that this scheduler paused, in the order in which they were paused.
        """


class BaseScheduler(abc.ABC):
    """Base class of schedulers: trials start in their order, and a value that is not finite stops a trial.

    Parameters
    ----------
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.

    Examples
    --------
    >>> class StopAbove(BaseScheduler):
    ...     def _decide(self, trial_id, epoch, value):
    ...         if value <= 10:
    ...             return Decision.CONTINUE
    ...         return self._stop(Stop(trial_id, epoch, value, "rank", threshold=10))
    >>> scheduler = StopAbove(max_epochs=9)
    >>> scheduler.on_trial_result("t0", 1, 7.0).value, scheduler.on_trial_result("t1", 1, 11.0).value
    ('continue', 'stop')
    """

    def __init__(self, max_epochs: int, mode: Mode = "min") -> None:
        self.max_epochs = max_epochs
        self.mode: Mode = mode
        self._stops: dict[str, Stop] = {}

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why each stopped trial was stopped."""
        return MappingProxyType(self._stops)

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:  # noqa: B027
        """Add a trial."""

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide after an epoch."""
        if not math.isfinite(value):
            return self._stop(Stop(trial_id, epoch, value, "diverged"))
        if epoch >= self.max_epochs:
            return Decision.CONTINUE
        return self._decide(trial_id, epoch, value)

    def on_trial_complete(self, trial_id: str) -> None:  # noqa: B027
        """Record that a trial ended."""

    def on_trial_error(self, trial_id: str) -> None:  # noqa: B027
        """Record that a trial failed."""

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the first paused trial, then the first pending one."""
        return next(chain(paused, pending), None)

    @abc.abstractmethod
    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide on a finite value before the last epoch."""

    def _stop(self, stop: Stop) -> Decision:
        self._stops[stop.trial_id] = stop
        return Decision.STOP

    def _cost(self, value: float) -> float:
        """Return the value with the sign that makes smaller better."""
        return value if self.mode == "min" else -value


def rungs(max_epochs: int, grace_epochs: int, reduction_factor: float) -> tuple[float, ...]:
    """Return the levels grace * eta^k below `max_epochs`, ascending; a level need not be an integer.

    Examples
    --------
    >>> rungs(16, 1, 3)
    (1.0, 3.0, 9.0)
    """
    levels = []
    level = float(grace_epochs)
    while level < max_epochs:
        levels.append(level)
        level *= reduction_factor
    return tuple(levels)


def stating(scheduler: Scheduler, name: str) -> Callable[..., Any] | None:
    """Return a method that not every scheduler has: its own, or that of the one that it wraps; None without.

    Examples
    --------
    >>> from mlpf_hpo import PromotionASHA
    >>> stating(PromotionASHA(max_epochs=9), "posterior") is None
    True
    """
    holder: object = scheduler
    while holder is not None and not hasattr(holder, name):
        holder = getattr(holder, "scheduler", None)
    found: Callable[..., Any] | None = getattr(holder, name, None)
    return found


def _format_prediction(prediction: Prediction) -> str:
    mean, lower, upper = (float(bound[0]) for bound in (prediction.mean, prediction.lower, prediction.upper))
    return f"{mean:.5g} [{lower:.5g}, {upper:.5g}]"
