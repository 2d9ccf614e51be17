"""A task that replays recorded curves: a trial sleeps for as long as each of its epochs took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.files import write_text
from mlpf_hpo.metric_modes import Direction
from mlpf_hpo.space import SearchSpace
from mlpf_hpo.tuning.task import TaskResources, TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd

SPANS = "spans"
"""File of a trial: epoch, begin and end of each sleep, in seconds since 1970; its checkpoint too."""

ONE = TaskResources()


@dataclass(frozen=True)
class RecordedTask:
    """Recorded values and durations, a row for each trial in the order of its number.

    Attributes
    ----------
    metric : str
        What the values are.
    values, seconds : array of float, [n_trials, n_epochs]
        The curves, and how long a trial sleeps for each epoch.
    """

    metric: str
    values: FloatArray
    seconds: FloatArray
    name: str = "recorded"
    data_digest: str = "recorded"
    dataset_path: Path | None = None
    keeps_checkpoints: bool = False
    resources: TaskResources = ONE
    constants: Mapping[str, Any] = field(default_factory=lambda: {"task": "recorded"})

    def direction(self, metric: str) -> Direction | None:
        """Return nothing: the mode is given."""
        return None

    def check(self, space: SearchSpace) -> None:
        """Accept every search space."""

    def train(
        self,
        spec: TrialSpec[Any],
        max_epochs: int,
        checkpoint_dir: Path,
        report: Callable[[EpochReport], None],
    ) -> TrialEnd:
        """Sleep through the epochs that are left; write each down before it is reported."""
        row, file = int(spec.trial_id[1:]), checkpoint_dir / SPANS
        checkpoint_dir.mkdir(parents=True, exist_ok=True)
        spans = file.read_text().splitlines() if file.exists() else []
        done = len(spans)
        for epoch in range(1, max_epochs + 1):
            if epoch > done:
                begin = time.time()
                time.sleep(float(self.seconds[row, epoch - 1]))
                spans.append(f"{epoch} {begin!r} {time.time()!r}")
                write_text(file, "\n".join(spans))
            metrics = {self.metric: float(self.values[row, epoch - 1])}
            report(EpochReport(epoch, metrics, timestamp_ms=int(1000 * time.time())))
        return TrialEnd("finished", max_epochs)


def read_spans(folder: Path) -> list[tuple[int, float, float]]:
    """Return epoch, begin and end of each sleep of a trial, from its folder of checkpoints."""
    lines = (folder / SPANS).read_text().splitlines()
    return [(int(epoch), float(begin), float(end)) for epoch, begin, end in map(str.split, lines)]
