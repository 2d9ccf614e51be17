"""Messages from a training to the driver: the report of an epoch, the end, and that a process died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EpochReport:
    """The report of an epoch.

    Attributes
    ----------
    epoch : int
        Number of epochs completed, from 1.
    metrics : mapping
        Metric name -> value: losses, physics, throughput, times.
    timestamp_ms : int
        When it ended, ms since 1970.
    diverged : bool
        Whether a loss is no longer finite; no further epoch follows.

    Examples
    --------
    >>> EpochReport(3, {"val/loss": 0.5}, timestamp_ms=1_700_000_000_000).diverged
    False
    """

    epoch: int
    metrics: Mapping[str, float]
    timestamp_ms: int
    diverged: bool = False


@dataclass(frozen=True)
class TrialEnd:
    """How a training ended, after how many epochs.

    Examples
    --------
    >>> TrialEnd("finished", 16).epochs
    16
    """

    status: Literal["finished", "diverged"]
    epochs: int


class WorkerDied(Exception):  # noqa: N818 - named as an event
    """A process that trained a trial is gone; the message says what is known of its end.

    A trial whose training raises this goes on from its checkpoint, as often as `resources.worker_restarts`.
    """
