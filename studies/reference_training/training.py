"""The reference training: one configuration trained in full, without Ray, its curve in MLflow."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.networks.copied_network import copy_checkpoint
from mlpf_hpo.project import trial_folder
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.checkpoints import read_checkpoint
from mlpf_hpo.tuning.driver import closed_truthfully, sole_driver
from mlpf_hpo.tuning.task import TrialSpec
from mlpf_hpo.tuning.trial_network import find_checkpoint, keep_with_run
from mlpf_hpo.tuning.trial_reports import EpochReport
from studies.reference_training.params import TRAIN, TTBAR, ReferenceParams

log = logging.getLogger(__name__)

KIND = "reference"

NOTE = "The reference training: one documented configuration, trained in full; studies/reference_training."

PATIENCE_SECONDS = 120.0
"""How long the end of the training waits for an MLflow that is out of reach."""


def train_reference(
    params: ReferenceParams, data: Path, state: Path, out: Path, on_epoch: Callable[[EpochReport], None]
) -> dict[str, Any]:
    """Train the reference configuration, or go on from its newest checkpoint, and keep the network.

    It trains on the stores `train` and `ttbar` in `data`. The last checkpoint replaces what was in `out`, and
    is kept with its run as well. `state` has what outlives an interruption, checkpoints and what MLflow has
    not taken yet; what it has lost, or never had, is taken from the run. `on_epoch` is called after every
    epoch, also for those that were trained before.

    Returns
    -------
    dict
        What was trained, JSON values, with `epochs`: the metrics after each.

    Raises
    ------
    DataError
        If the training diverged.
    BusyError
        If another process trains in `state`, or trains the same, on whatever machine.
    TrackingError
        If MLflow cannot be reached at the start, or went away and has not come back at the end.
    """
    spec = reference_spec(params, data)
    folder = trial_folder(state, spec.key, spec.key)  # a campaign of one
    reports: list[EpochReport] = []
    with sole_driver(state, PATIENCE_SECONDS) as writer:
        writer.close_orphans(spec.key)
        parent, run = _open_runs(writer, params, spec)
        _take_up(writer, run, folder, params.epochs)

        def on_report(report: EpochReport) -> None:
            reports.append(report)
            writer.log_epoch(run, report.epoch, report.metrics, timestamp_ms=report.timestamp_ms)
            on_epoch(report)

        with closed_truthfully(writer, parent), closed_truthfully(writer, run):
            end = spec.task.train(spec, params.epochs, folder, on_report)
            if end.status == "diverged":
                raise DataError(
                    f"the reference training diverged in epoch {end.epochs}: lower configuration.lr in its "
                    "params.yaml"
                )
        for one in (run, parent):
            writer.close(one, end.status)
        writer.settle()
        kept = copy_checkpoint(folder, out, spec.key)
        keep_with_run(writer.client, writer.run_id(run), read_checkpoint(kept), KIND)
    return {
        "trial_key": spec.key,
        "configuration": dict(spec.configuration),
        "hardware": describe_host().hardware_label,
        "epochs": [_finite(report.metrics) for report in reports],
    }


def reference_spec(params: ReferenceParams, data: Path) -> TrialSpec[MLPFTask]:
    """Return the training that params describe, on the stores `train` and `ttbar` of a folder."""
    task = MLPFTask.on(data / TRAIN, data / TTBAR, params.network, params.training)
    return TrialSpec(KIND, params.configuration.model_dump(), derive_seed(params.seed, KIND, "trial"), task)


def _take_up(writer: RunWriter, run: str, folder: Path, epochs: int) -> None:
    """Fetch the newest checkpoint from the run, where the folder has lost it or never had it."""
    try:
        find_checkpoint(writer.client, writer.run_id(run), folder, epochs)
    except TrackingError as error:
        log.warning("%s; the training goes on from what is in %s", error, folder)


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that JSON can hold; losses are among them, as nothing diverged."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _open_runs(writer: RunWriter, params: ReferenceParams, spec: TrialSpec[MLPFTask]) -> tuple[str, str]:
    """Return the parent run and that of the training, made, or opened again."""
    host = describe_host()
    parent = writer.open_parent(
        KIND,
        spec.key,
        f"{KIND}-{host.hardware_label}-{spec.key[:8]}",
        host.tags(),
        {"seed": params.seed, "pileup": params.pileup, "epochs": params.epochs},
        NOTE,
        digest=spec.task.data_digest,
        dataset_path=spec.task.dataset_path,
        host=host.record(),
    )
    run = writer.open_trial(
        parent,
        KIND,
        spec.key,
        spec.trial_id,
        spec.key,
        spec.configuration,
        spec.seed,
        tags=host.tags(),
        digest=spec.task.data_digest,
        dataset_path=spec.task.dataset_path,
    )
    return parent, run
