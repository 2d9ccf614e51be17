"""Physics validation of a trained trial: table and figures, as files and in the trial's MLflow run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mlpf_hpo.evaluation.collection import collect
from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.files import write_text, written_whole
from mlpf_hpo.networks.trained_network import TrainedNetwork, reconstructed
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.physics_figures import FIGURES
from mlpf_hpo.reporting.physics_table import summary_metrics
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tracking.writer import RunWriter

ARTIFACTS = "physics"
"""Path of the files below a run's artifacts."""


def validate_network(
    trained: TrainedNetwork, store: EventStore, run: TrialRun | None = None
) -> ValidationResult:
    """Judge a trained network on a store's events beside their rule-based candidates.

    Sets the process's number of PyTorch threads to that of the training. The run names the trial in captions.

    Raises
    ------
    DataError
        If the store has no candidates, or the network predicts no numbers.
    ConfigurationError
        If FastJet is not installed.
    """
    return validate_reconstruction(
        collect(store, reconstructed(trained, store)), validated_inputs(trained, store, run)
    )


def validated_inputs(trained: TrainedNetwork, store: EventStore, run: TrialRun | None) -> dict[str, Any]:
    """Return network and events of a validation, for captions: `about` of a `ValidationResult`."""
    manifest = store.manifest
    return {
        **{name: manifest[name] for name in ("process", "n_events", "pileup")},
        "events_digest": store.digest,
        "trial": run.trial_id if run is not None else trained.trial_key,
        "trial_key": trained.trial_key,
        "epoch": trained.epoch,
        "configuration": dict(trained.configuration),
        "trained_on": dict(trained.trained_on),
    }


def write_validation(result: ValidationResult, folder: Path) -> None:
    """Replace a folder by one with validation_result.json, table.csv and the figures."""
    with written_whole(folder) as temporary:
        temporary.mkdir()
        result.write(temporary)
        (temporary / "figures").mkdir()
        for make in FIGURES:
            panel = make(result)
            (temporary / "figures" / f"{panel.name}.png").write_bytes(png(panel.figure))


def log_validation(result: ValidationResult, run: TrialRun, folder: Path) -> str:
    """Keep what `write_validation` left with the trial's run, with the headline numbers; return its link."""
    writer = RunWriter(connect())
    writer.log_files(run.run_id, folder, ARTIFACTS)
    writer.summary(run.run_id, summary_metrics(result))
    return links.run_link(run.experiment_id, run.run_id)


def record_no_validation(out: Path, task: str) -> str:
    """Replace a folder by one with the reason why nothing is validated, and return the reason."""
    reason = f"trials are of task {task}; only networks of MLPF are validated"
    with written_whole(out) as temporary:
        temporary.mkdir()
        write_text(temporary / "README", f"No physics: {reason}.\n")
    return reason


def record_validation(result: ValidationResult, run: TrialRun | None, out: Path | None) -> str:
    """Write the files to `out`, and log them to the run, as far as there are an `out` and a run.

    Returns where to look, or why there is nowhere.
    """
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = out if out is not None else Path(temporary) / ARTIFACTS
        if out is not None or run is not None:
            write_validation(result, folder)
        if out is not None:
            lines.append(f"  files:   {out}")
        if run is not None:
            lines.append(f"  MLflow:  {log_validation(result, run, folder)} (artifacts: {ARTIFACTS}/)")
        else:
            lines.append("  MLflow:  this trial is not on record, nothing was logged")
    return "\n".join(lines)
