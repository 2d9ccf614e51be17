"""`ray_trial`: what a worker of Ray Tune runs, one trial of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune

from mlpf_hpo.tuning.files_at_hand import FileAccess, nothing
from mlpf_hpo.tuning.machine import Machine
from mlpf_hpo.tuning.task import Task, TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport

TRIAL, CONFIGURATION = "trial", "configuration"
"""Keys of Tune's configuration: which of our trials it is, and its hyperparameters."""

MACHINE = "machine"
"""Key of a report to Tune: the worker's machine."""


def ray_trial(
    config: Mapping[str, Any],
    specs: Sequence[TrialSpec[Task]],
    max_epochs: int,
    checkpoints: Path,
    access: FileAccess | None = None,
) -> None:
    """Train one trial and report its epochs; Tune's function trainable.

    With `access`, this may be on a node that does not see the driver's files.

    A report blocks until the driver has decided. When the trial is stopped or paused, Tune ends this thread
    in there; the checkpoint was written before.
    """
    spec = next(spec for spec in specs if spec.trial_id == config[TRIAL])
    spec = replace(spec, configuration=config[CONFIGURATION])
    folder, machine = checkpoints / spec.key, Machine.here(spec.task).to_json()
    with access.at_hand(spec, folder) if access else nullcontext((spec, folder, nothing)) as at_hand:
        spec, folder, send = at_hand

        def report(done: EpochReport) -> None:
            send()
            tune.report(
                {
                    "epoch": done.epoch,
                    "metrics": dict(done.metrics),
                    "timestamp_ms": done.timestamp_ms,
                    "diverged": done.diverged,
                    MACHINE: machine,
                }
            )

        spec.task.train(spec, max_epochs, folder, report)
