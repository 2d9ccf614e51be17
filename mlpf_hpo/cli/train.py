"""`mlpf-hpo train`: train one configuration on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import EVENTS, PARAMS, EventsFolder, ParamsFile, examples
from mlpf_hpo.seeds import LARGEST_SEED

EXAMPLES = examples(
    "mlpf-hpo train --out runs/one",
    "mlpf-hpo train --lr 1e-3 --output-dim 64 --epochs 10 --out runs/one",
    also="The same --out with more --epochs goes on from its last checkpoint; other options need another.",
)


def train(
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoints and history.json of one training; resumed if there.")
    ],
    events: EventsFolder = EVENTS,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    lr: Annotated[float, typer.Option(min=0.0)] = 1e-3,
    n_glayers_id: Annotated[int, typer.Option(min=0)] = 2,
    n_glayers_reg: Annotated[int, typer.Option(min=0)] = 2,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.999)] = 0.1,
    bin_size: Annotated[int, typer.Option(min=1)] = 32,
    output_dim: Annotated[int, typer.Option(min=1)] = 64,
    weight_decay: Annotated[float, typer.Option(min=0.0)] = 1e-4,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED)] = 0,
    params: ParamsFile = PARAMS,
) -> None:
    """Train one configuration on this machine, without Ray and without MLflow."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.events.store import sample_stores
    from mlpf_hpo.files import storage_error, write_json
    from mlpf_hpo.mlpf.task import MLPFTask
    from mlpf_hpo.tuning.task import TrialSpec
    from mlpf_hpo.tuning.trial_reports import EpochReport

    constants = load_params(params)
    if constants.task != MLPFTask.name:
        raise ConfigurationError(
            f"{params}: task {constants.task}: `mlpf-hpo train` trains MLPF only; trials of another task are "
            "trained by the stages `campaign` and `search`"
        )
    configuration = {
        "lr": lr,
        "n_glayers_id": n_glayers_id,
        "n_glayers_reg": n_glayers_reg,
        "dropout": dropout,
        "bin_size": bin_size,
        "output_dim": output_dim,
        "weight_decay": weight_decay,
    }
    processes = constants.resources.processes_per_trial
    task = MLPFTask.on(*sample_stores(events), constants.network, constants.training, processes)
    spec = TrialSpec("train", configuration, seed, task)
    checkpoints = out / "checkpoints"
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        others = sorted(folder.name for folder in checkpoints.iterdir() if folder.name != spec.key)
    except OSError as error:  # told before the first epoch, not after it
        raise storage_error(error, out) from None
    if others:
        raise ConfigurationError(
            f"--out {out}: has the training of another configuration, seed or events (trial {others[0]}), "
            "whose history.json would be lost; name another folder"
        )
    history: list[dict[str, float]] = []

    def show(report: EpochReport) -> None:
        history.append(dict(report.metrics))
        values = "  ".join(
            f"{name} {report.metrics[name]:.4g}"
            for name in ("train/loss", "val/loss", "throughput/events_per_second")
            if name in report.metrics
        )
        console.out.print(f"epoch {report.epoch:3d}/{epochs}  {values}")

    end = task.train(spec, epochs, checkpoints / spec.key, show)
    record = {"configuration": configuration, "seed": seed, "trial_key": spec.key, "status": end.status}
    finite = [{k: (v if abs(v) < float("inf") else None) for k, v in row.items()} for row in history]
    write_json(out / "history.json", {**record, "epochs": finite})
    console.out.print(f"{end.status} after {end.epochs} epochs; {out / 'history.json'} has the curve")
