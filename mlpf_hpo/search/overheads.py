"""`Overheads`: the time that a simulated search takes beside its epochs."""

from __future__ import annotations

import dataclasses
import math

from mlpf_hpo.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class Overheads:
    """The time of a search beside its epochs, in the unit of their durations; none by default.

    Attributes
    ----------
    start : float
        Before the first epoch of a trial.
    pause : float
        Until the worker of a trial that was paused is free. The trial itself may go on elsewhere at once: its
        checkpoint was written before its report.
    resume : float
        Before the first epoch after a pause.
    report : float
        Between the end of an epoch and the scheduler's decision, for which the worker waits.
    delay : float
        Mean of a random time on top of `report`, exponentially distributed and drawn for each epoch: epochs
        do not arrive in the order in which they ended.

    Raises
    ------
    ConfigurationError
        If one is negative or not finite.

    Examples
    --------
    >>> from mlpf_hpo import FullTraining, LearningCurves, Overheads, TargetMetric, simulate
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}], [[3.0, 2.0]], TargetMetric("loss", "min"))
    >>> slow = Overheads(start=0.5, report=0.25)
    >>> simulate(curves, FullTraining(), spread=0, jitter=0, overheads=slow).makespan
    3.0
    """

    start: float = 0.0
    pause: float = 0.0
    resume: float = 0.0
    report: float = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in dataclasses.asdict(self).items():
            if not 0 <= value < math.inf:
                raise ConfigurationError(f"overheads: {name} must be finite and not negative, found {value}")
