"""What runs in a Ray worker: one trial, whose epochs are reported to the driver. Imports no MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ray import tune

from mlpf_hpo.tuning.messages import EpochReport, TrialEnd, TrialSpec

TrainTrial: TypeAlias = Callable[[TrialSpec, int, Path, Callable[[EpochReport], None]], TrialEnd]
"""What trains one trial: `mlpf_hpo.mlpf.training.train_trial`."""

TRIAL = "trial"
"""Key of Tune's configuration that names one of our trials."""


def ray_trial(
    config: Mapping[str, Any],
    specs: Mapping[str, TrialSpec],
    train: TrainTrial | None,
    max_epochs: int,
    checkpoints: Path,
) -> None:
    """Train one trial and report its epochs; Tune's function trainable.

    A report blocks until the driver has decided. When the trial is stopped or paused, Tune ends this thread
    in there; the checkpoint was written before.
    """
    if train is None:
        from mlpf_hpo.mlpf.training import train_trial

        train = train_trial
    spec = specs[config[TRIAL]]

    def report(done: EpochReport) -> None:
        tune.report(
            {
                "epoch": done.epoch,
                "metrics": dict(done.metrics),
                "timestamp_ms": done.timestamp_ms,
                "diverged": done.diverged,
            }
        )

    train(spec, max_epochs, checkpoints / spec.key, report)
