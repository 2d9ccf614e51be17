"""The command line, `mlpf-hpo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import cli_physics, console

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Hyperparameter search for MLPF in which predicted learning curves decide what to stop. "
    "The whole pipeline runs with [bold]dvc repro[/bold] (or [bold]make repro[/bold]); these commands do "
    "one thing each.",
)
events_app = typer.Typer(no_args_is_help=True, help="Generate and check collision events.")
curves_app = typer.Typer(no_args_is_help=True, help="Learning-curve data sets.")
app.add_typer(events_app, name="events")
app.add_typer(curves_app, name="curves")

app.command(epilog=cli_physics.EXAMPLES)(cli_physics.physics)

ParamsFile = Annotated[Path, typer.Option("--params", help="Parameter file.")]


@app.command(epilog="Example: mlpf-hpo train --lr 1e-3 --output-dim 64 --epochs 10 --out runs/one")
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and history.json; resumed if there.")],
    events: Annotated[Path, typer.Option(help="Folder with the stores train and validation.")] = Path(
        "data/events"
    ),
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    lr: Annotated[float, typer.Option(min=0.0)] = 1e-3,
    n_glayers_id: Annotated[int, typer.Option(min=0)] = 2,
    n_glayers_reg: Annotated[int, typer.Option(min=0)] = 2,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.999)] = 0.1,
    bin_size: Annotated[int, typer.Option(min=1)] = 32,
    output_dim: Annotated[int, typer.Option(min=1)] = 64,
    weight_decay: Annotated[float, typer.Option(min=0.0)] = 1e-4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Train one configuration on this machine, without Ray and without MLflow."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.events.datamodule import sample_digest
    from mlpf_hpo.files import write_json
    from mlpf_hpo.tuning.trial import EpochReport, TrialSpec, train_trial

    constants = load_params(params)
    configuration = {
        "lr": lr,
        "n_glayers_id": n_glayers_id,
        "n_glayers_reg": n_glayers_reg,
        "dropout": dropout,
        "bin_size": bin_size,
        "output_dim": output_dim,
        "weight_decay": weight_decay,
    }
    spec = TrialSpec(
        trial_id="train",
        configuration=configuration,
        seed=seed,
        train=(events / "train").resolve(),
        validation=(events / "validation").resolve(),
        events_digest=sample_digest(events / "train", events / "validation"),
        network=constants.network,
        training=constants.training,
    )
    history: list[dict[str, float]] = []

    def show(report: EpochReport) -> None:
        history.append(dict(report.metrics))
        told = "  ".join(
            f"{name} {report.metrics[name]:.4g}"
            for name in ("train/loss", "val/loss", "throughput/events_per_second")
            if name in report.metrics
        )
        console.out.print(f"epoch {report.epoch:3d}/{epochs}  {told}")

    end = train_trial(spec, max_epochs=epochs, checkpoint_dir=out / "checkpoints" / spec.key, on_epoch=show)
    record = {"configuration": configuration, "seed": seed, "trial_key": spec.key, "status": end.status}
    finite = [{k: (v if abs(v) < float("inf") else None) for k, v in row.items()} for row in history]
    write_json(out / "history.json", {**record, "epochs": finite})
    console.out.print(f"{end.status} after {end.epochs} epochs; {out / 'history.json'} has the curve")


@events_app.command("info")
def events_info(store: Annotated[Path, typer.Argument(help="An event store.")]) -> None:
    """Say what a store holds."""
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    counts = opened.element_counts
    manifest = opened.manifest
    console.out.print(f"{store}: {len(opened)} events, {int(counts.sum())} elements, digest {opened.digest}")
    console.out.print(f"elements per event: mean {counts.mean():.1f}, {counts.min()} to {counts.max()}")
    for name, value in sorted(manifest["settings"].items()):
        console.out.print(f"{name}: {value}", markup=False)


@events_app.command("verify")
def events_verify(store: Annotated[Path, typer.Argument(help="An event store.")]) -> None:
    """Compare every file of a store with its checksum."""
    from mlpf_hpo.events.store import EventStore

    opened = EventStore.open(store)
    opened.verify()
    console.out.print(f"{store}: whole ({len(opened.manifest['files'])} files)")


@curves_app.command(
    "import",
    epilog="Example: mlpf-hpo curves import table.csv --hyperparameters lr,dropout --loss-prefix loss_ "
    "--name published --out data/published.parquet",
)
def curves_import(
    file: Annotated[Path, typer.Argument(help="CSV table: one row per trial.")],
    hyperparameters: Annotated[str, typer.Option(help="Column names, separated by commas.")],
    name: Annotated[str, typer.Option(help="What the data set is called in captions.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write; its card lies beside it.")],
    loss_prefix: Annotated[str, typer.Option(help="Columns PREFIX0, PREFIX1, ... are the curve.")] = "loss_",
) -> None:
    """Read a table of learning curves into a data set."""
    from mlpf_hpo.curves.dataset import import_csv, write_curves

    names = [column.strip() for column in hyperparameters.split(",") if column.strip()]
    curves = import_csv(file, hyperparameters=names, loss_prefix=loss_prefix, name=name)
    write_curves(curves, out)
    n_distinct, n_restarted = len(set(curves.groups)), int((curves.restart_epoch >= 0).sum())
    console.out.print(
        f"{out}: {len(curves)} curves of {curves.n_epochs} epochs, {n_distinct} distinct configurations, "
        f"{n_restarted} with a restart"
    )


@app.command(
    epilog="Examples: mlpf-hpo benchmark -W -c 4 -t 1 -e 64  |  mlpf-hpo benchmark -w results --device gpu. "
    "Exit status: 0 good, 1-63 failed copies, 64 usage, 65 data, 66 no events."
)
def benchmark(
    store: Annotated[Path, typer.Option(help="Event store to train on.")] = Path("data/events/train"),
    in_results: Annotated[bool, typer.Option("-W", help="Write to /results, as HEPscore expects.")] = False,
    results_dir: Annotated[Path, typer.Option("-w", "--resultsdir", help="Write here.")] = Path("results"),
    copies: Annotated[int, typer.Option("-c", "--copies", min=0, help="0: as many as fit.")] = 0,
    threads: Annotated[int, typer.Option("-t", "--threads", min=1, help="Threads per copy.")] = 1,
    events_per_thread: Annotated[int, typer.Option("-e", "--events", min=1, help="Events per thread.")] = 64,
    mop: Annotated[str, typer.Option("-m", "--mop", help="What to remove at the end: none, custom, all.")] = (
        "none"
    ),
    debug: Annotated[bool, typer.Option("-d", "--debug", help="Verbose logs in proc_<i>/out.log.")] = False,
    epochs: Annotated[int, typer.Option(min=2, help="The first is warm-up.")] = 4,
    device: Annotated[str, typer.Option(help="cpu, gpu, or gpu-0.")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Events per batch.")] = 8,
    precision: Annotated[str, typer.Option(help="32, bf16-mixed or 16-mixed.")] = "32",
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Measure training throughput: N copies of a fixed configuration, report in HEP-Workloads format."""
    from mlpf_hpo.config import NetworkParams, load_params
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.workload.benchmark import run_benchmark, summary

    network = load_params(params).network if params.is_file() else NetworkParams()
    result = run_benchmark(
        store,
        Path("/results") if in_results else results_dir,
        copies=copies or max(1, usable_cpus() // threads),
        threads=threads,
        events_per_thread=events_per_thread,
        epochs=epochs,
        batch_size=batch_size,
        network=network,
        device=device,
        precision=precision,
        debug=debug,
        mop=mop,  # type: ignore[arg-type] # checked by run_benchmark
    )
    console.out.print(summary(result), markup=False)
    raise typer.Exit(result.exit_status)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the MLflow user interface over this project's runs and print links to where the interest is."""
    from mlpf_hpo.tracking.server import serve_ui

    serve_ui(host, port, on_ready=console.out.print)


USAGE_ERROR, BENCHMARK_USAGE_ERROR = 2, 64


def main() -> None:
    """Entry point of `mlpf-hpo`.

    A bad option of `benchmark` leaves with 64: its small statuses count failed copies.
    """
    try:
        console.run(app)
    except SystemExit as end:
        if end.code == USAGE_ERROR and "benchmark" in sys.argv[1:2]:
            sys.exit(BENCHMARK_USAGE_ERROR)
        raise


if __name__ == "__main__":
    main()
