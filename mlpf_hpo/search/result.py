"""`Result`: the value of one epoch of one trial, and the scheduler's decision."""

from __future__ import annotations

from dataclasses import dataclass

from mlpf_hpo.search.scheduler import Decision, Stop


@dataclass(frozen=True)
class Result:
    """One epoch of one trial.

    Attributes
    ----------
    key : str
        The trial's key.
    epoch : int
        Number of epochs completed.
    metric : str
        The target metric.
    value : float
        Its value; NaN where the trial diverged.
    decision : Decision
        What the scheduler decided.
    stop : Stop or None
        Why, if it stopped the trial.
    """

    key: str
    epoch: int
    metric: str
    value: float
    decision: Decision
    stop: Stop | None = None
