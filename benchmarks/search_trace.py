"""Where the workers' time went in a search: training, overhead, or idle as the scheduler had no trial."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlpf_hpo.search.scheduler import Decision, Scheduler, Stop
from mlpf_hpo.space import Configuration

Span = tuple[int, float, float]
"""Epoch, and when its training began and ended."""


class TracedScheduler:
    """Passes calls on to a scheduler, and notes when a trial was given a worker and when it lost it.

    Attributes
    ----------
    chosen : list of (float, str)
        When a free worker was given a trial.
    freed : list of float
        When a worker became free: its trial was paused, stopped, or had ended.
    pauses : int
        How often a trial was paused.
    """

    def __init__(self, scheduler: Scheduler, max_epochs: int) -> None:
        self.scheduler, self.max_epochs = scheduler, max_epochs
        self.chosen: list[tuple[float, str]] = []
        self.freed: list[float] = []
        self.pauses = 0

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Why each stopped trial was stopped."""
        return self.scheduler.stops

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Add a trial."""
        self.scheduler.on_trial_add(trial_id, configuration)

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Decide, and note whether that frees a worker."""
        decision = self.scheduler.on_trial_result(trial_id, epoch, value)
        if decision is not Decision.CONTINUE or epoch == self.max_epochs:
            self.freed.append(time.time())
        self.pauses += decision is Decision.PAUSE
        return decision

    def on_trial_complete(self, trial_id: str) -> None:
        """Record an end."""
        self.scheduler.on_trial_complete(trial_id)

    def on_trial_error(self, trial_id: str) -> None:
        """Record a failure, which frees a worker."""
        self.freed.append(time.time())
        self.scheduler.on_trial_error(trial_id)

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Choose, and note what was chosen."""
        found = self.scheduler.choose(pending, paused)
        if found is not None:
            self.chosen.append((time.time(), found))
        return found


def idle_seconds(chosen: Sequence[float], freed: Sequence[float], workers: int) -> float:
    """Return how long workers had no trial, from the first that was given to the last that was freed.

    Examples
    --------
    >>> idle_seconds(chosen=[0.0, 0.0, 5.0], freed=[4.0, 10.0, 9.0], workers=2)
    2.0
    """
    events = sorted([(moment, 1) for moment in chosen] + [(moment, -1) for moment in freed])
    idle, running = 0.0, 0
    for (moment, change), (after, _) in pairwise(events):
        running += change
        idle += (workers - running) * (after - moment)
    return idle


@dataclass(frozen=True)
class Costs:
    """Mean seconds beside the epochs, as the simulator's `Overheads` have them.

    Attributes
    ----------
    start, resume : float
        From the moment in which a trial was given a worker to its first epoch, or to the next after a pause.
    report : float
        From the end of an epoch to the beginning of the next.
    """

    start: float
    resume: float
    report: float


def costs(spans: Mapping[str, Sequence[Span]], chosen: Sequence[tuple[float, str]]) -> Costs:
    """Return the costs of a search: spans of each trial, and when trials were given a worker.

    Examples
    --------
    >>> spans = {"t0": [(1, 1.0, 2.0), (2, 2.5, 3.5), (3, 9.0, 10.0)]}
    >>> costs(spans, [(0.0, "t0"), (7.0, "t0")])
    Costs(start=1.0, resume=2.0, report=0.5)
    """
    given: dict[str, list[float]] = {}
    for moment, trial_id in chosen:
        given.setdefault(trial_id, []).append(moment)
    starts: list[float] = []
    resumes: list[float] = []
    reports: list[float] = []
    for trial_id, of_trial in spans.items():
        moments = given[trial_id]
        starts.append(of_trial[0][1] - moments[0])
        for (_, _, end), (_, begin, _) in pairwise(of_trial):
            between = [moment for moment in moments if end < moment <= begin]
            if between:
                resumes.append(begin - between[-1])
            else:
                reports.append(begin - end)
    return Costs(*(sum(found) / len(found) if found else 0.0 for found in (starts, resumes, reports)))
