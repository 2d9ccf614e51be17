"""`ray_trial`: what a worker of Ray Tune runs, one trial of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune

from mlpf_hpo.tuning.task import Task, TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport

TRIAL, CONFIGURATION = "trial", "configuration"
"""Keys of Tune's configuration: which of our trials it is, and its hyperparameters."""


def ray_trial(
    config: Mapping[str, Any],
    specs: Sequence[TrialSpec[Task]],
    max_epochs: int,
    checkpoints: Path,
) -> None:
    """Train one trial and report its epochs; Tune's function trainable.

    A report blocks until the driver has decided. When the trial is stopped or paused, Tune ends this thread
    in there; the checkpoint was written before.
    """
    spec = next(spec for spec in specs if spec.trial_id == config[TRIAL])
    spec = replace(spec, configuration=config[CONFIGURATION])

    def report(done: EpochReport) -> None:
        tune.report(
            {
                "epoch": done.epoch,
                "metrics": dict(done.metrics),
                "timestamp_ms": done.timestamp_ms,
                "diverged": done.diverged,
            }
        )

    spec.task.train(spec, max_epochs, checkpoints / spec.key, report)
