"""`mlpf-hpo benchmark`: throughput, with the options and statuses of HEP-Workloads; comparison and scan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.extra_arguments import VARIABLE, parse_extra_arguments
from mlpf_hpo.cli.options import IN_PARAMS, PARAMS, ParamsFile, examples, flags_named, group

EXAMPLES = examples(
    "mlpf-hpo benchmark",
    "mlpf-hpo benchmark -W -c 4 -t 1 -e 8",
    "mlpf-hpo benchmark --workload mlpf-infer-cpu --ncores 1 --mlflow",
    "mlpf-hpo benchmark -w results --device gpu",
    "mlpf-hpo benchmark --tier pu200 -w results",
    also="Exit status: 0 good, 1-63 failed copies, 64 usage, 65 data, 66 no events.",
)

FLAGS = {
    "benchmark.events_per_thread": "--events",
    "benchmark.threads": "--threads",
    "benchmark.copies": "--copies",
    "precision": "--precision",
    "batch_events": "--batch-size",
    "device": "--device",
    "mop": "--mop",
    "ncores": "--ncores",
    "benchmark.workload": "--workload",
    "benchmark.tier": "--tier",
}


FAILED_COPIES = 1000
"""Added to a number of failed copies until the process ends: two failed copies are no wrong usage."""

app = group("Throughput of a fixed configuration, in HEP-Workloads format.", EXAMPLES)
Store = Annotated[Path, typer.Option(help="Event store.")]
STORE = Path("data/events/train")


@app.callback(invoke_without_command=True, no_args_is_help=False, epilog=EXAMPLES)
def benchmark(
    context: typer.Context,
    store: Annotated[Path | None, typer.Option(help="Event store.", show_default=str(STORE))] = None,
    tier: Annotated[
        str | None,
        typer.Option(help="Instead: events that are the same everywhere, pu0 or pu200.", show_default="none"),
    ] = None,
    in_results: Annotated[bool, typer.Option("-W", help="Write to /results, as HEPscore expects.")] = False,
    results_dir: Annotated[Path, typer.Option("-w", "--resultsdir", help="Write here.")] = Path("results"),
    copies: Annotated[
        int | None,
        typer.Option("-c", "--copies", min=0, help="0: as many as fit.", show_default=IN_PARAMS),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("-t", "--threads", min=1, help="Threads per copy.", show_default=IN_PARAMS)
    ] = None,
    events_per_thread: Annotated[
        int | None, typer.Option("-e", "--events", min=1, help="Events per thread.", show_default=IN_PARAMS)
    ] = None,
    ncores: Annotated[
        int | None,
        typer.Option("-n", "--ncores", min=1, help="Cores to be loaded at most.", show_default="all"),
    ] = None,
    mop: Annotated[str, typer.Option("-m", "--mop", help="What to remove at the end: none, custom, all.")] = (
        "none"
    ),
    debug: Annotated[bool, typer.Option("-d", "--debug", help="Verbose logs in proc_<i>/out.log.")] = False,
    extra_args: Annotated[
        str,
        typer.Option(envvar=VARIABLE, help='Options below as one text: "--epochs 8 --batch-size 4".'),
    ] = "",
    epochs: Annotated[
        int | None, typer.Option(min=2, help="The first is warm-up.", show_default=IN_PARAMS)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, gpu, or gpu-0.", show_default="what the workload measures, else cpu"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Events per batch.", show_default=IN_PARAMS)
    ] = None,
    precision: Annotated[str, typer.Option(help="32, bf16-mixed or 16-mixed.")] = "32",
    workload: Annotated[
        str | None,
        typer.Option(
            help="mlpf-train-cpu, mlpf-train-gpu, mlpf-infer-cpu, or a workload of an installed package.",
            show_default="training on the device",
        ),
    ] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Log the result to MLflow.")] = False,
    params: ParamsFile = PARAMS,
) -> None:
    """Measure throughput: N copies of a fixed configuration, report in HEP-Workloads format.

    Options that are not given are taken from the section `benchmark` of params.yaml, or, as to events and
    epochs, from the tier if there is one. Without any option, the command measures the same as the stage.
    """
    if context.invoked_subcommand is not None:
        return
    from mlpf_hpo.errors import ConfigurationError
    from mlpf_hpo.workload.benchmark import error_statuses, run_benchmark, summary
    from mlpf_hpo.workload.cores import number_of_copies
    from mlpf_hpo.workload.tiers import TIERS

    with flags_named(FLAGS), error_statuses():
        settings = _settings(params)
        defaults = settings.benchmark
        if tier is not None and store is not None:
            raise ConfigurationError("--store and --tier: one of them says what the events are")
        fixed = None if tier is None else TIERS.lookup(tier, "benchmark.tier")
        size = fixed or defaults
        events = fixed.verified() if fixed else store or STORE
        threads = threads or defaults.threads
        own: dict[str, Any] = {"device": device, "precision": precision, "workload": workload}
        own |= {"epochs": epochs or size.epochs, "batch_size": batch_size or defaults.batch_size}
        own |= parse_extra_arguments(extra_args)
        with _shipped_events_named(wanted=tier is None and store is None):
            result = run_benchmark(
                events,
                Path("/results") if in_results else results_dir,
                copies=number_of_copies(defaults.copies if copies is None else copies, threads, ncores),
                threads=threads,
                events_per_thread=events_per_thread or size.events_per_thread,
                network=settings.network,
                minimum_overlap=defaults.minimum_overlap,
                repeat_events=fixed is not None,
                debug=debug,
                mop=mop,  # type: ignore[arg-type] # checked by run_benchmark
                extra_arguments=extra_args,
                **own,
            )
    console.out.print(summary(result), markup=False)
    if mlflow:
        from mlpf_hpo.workload.record import record_benchmark

        console.out.print(f"  {record_benchmark(result, events)}", markup=False)
    raise typer.Exit(result.exit_status and FAILED_COPIES + result.exit_status)


@contextmanager
def _shipped_events_named(wanted: bool) -> Iterator[None]:
    """Let an error about events that are not there name those that always are."""
    from mlpf_hpo.errors import MissingInputError

    try:
        yield
    except MissingInputError as error:
        if not wanted:
            raise
        raise MissingInputError(f"{error}; --tier pu0 measures on events that are shipped") from None


def _settings(params: Path) -> Any:
    from mlpf_hpo.config import Params, load_params

    return load_params(params) if params.is_file() else Params()


@app.command(
    epilog=examples(
        "mlpf-hpo benchmark compare results --out results/machines.html",
        also="A folder stands for every report in it: put those of several machines into one.",
    )
)
def compare(
    reports: Annotated[list[Path], typer.Argument(help="Reports, or folders with reports.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("results/machines.html"),
) -> None:
    """Draw throughput by machine and setting: in all, per core, against the peak, per watt where known."""
    from mlpf_hpo.workload.comparison import differences, read_results

    results = read_results(reports)
    rows = [
        (each.machine, each.key, each.setting, f"{each.score:.1f}", f"{each.per_core:.1f}")
        for each in results
    ]
    header = ("machine", "workload", "copies x threads", "events/s", "per core")
    console.out.print(console.columns(header, rows), markup=False)
    for note in differences(results):
        console.out.print(note, markup=False)
    _write_page(out, results, "Benchmark results")


@app.command(
    epilog=examples(
        "mlpf-hpo benchmark scan -e 8 --out results/scan.html",
        also="Takes as long as a run for each setting.",
    )
)
def scan(
    store: Store = STORE,
    results_dir: Annotated[
        Path, typer.Option("-w", "--resultsdir", help="Folder of the runs, COPIESxTHREADS/.")
    ] = Path("results/scan"),
    out: Annotated[Path, typer.Option(help="The page.")] = Path("results/scan.html"),
    events_per_thread: Annotated[
        int | None, typer.Option("-e", "--events", min=1, help="Events per thread.", show_default=IN_PARAMS)
    ] = None,
    ncores: Annotated[
        int | None, typer.Option("-n", "--ncores", min=1, help="Cores at most.", show_default="all")
    ] = None,
    workload: Annotated[
        str | None, typer.Option(help="As in `mlpf-hpo benchmark`.", show_default="training on the CPU")
    ] = None,
    params: ParamsFile = PARAMS,
) -> None:
    """Find this machine's best setting: the benchmark over copies x threads, and the curve."""
    from mlpf_hpo.workload.comparison import read_results
    from mlpf_hpo.workload.cores import number_of_copies
    from mlpf_hpo.workload.scan import scan as run_scan

    with flags_named(FLAGS):
        settings = _settings(params)
        defaults = settings.benchmark
        runs = run_scan(
            store,
            results_dir,
            number_of_copies("auto", 1, ncores),
            on_start=lambda c, t: console.out.print(f"{c} copies x {t} thread(s) ...", markup=False),
            events_per_thread=events_per_thread or defaults.events_per_thread,
            epochs=defaults.epochs,
            batch_size=defaults.batch_size,
            network=settings.network,
            minimum_overlap=defaults.minimum_overlap,
            workload=workload,
        )
    results = read_results([run.path for run in runs])
    best = max(results, key=lambda each: each.score)
    console.out.print(
        f"best of {len(results)} settings: {best.copies} copies x {best.threads} thread(s), "
        f"{best.score:.1f} events/s{' (contended)' if best.contended else ''}",
        markup=False,
    )
    _write_page(out, results, "Settings of one machine")


def _write_page(out: Path, results: list[Any], title: str) -> None:
    from mlpf_hpo.files import write_text
    from mlpf_hpo.reporting.benchmark_page import benchmark_page

    write_text(out, benchmark_page(results, title))
    console.out.print(f"  {out}", markup=False)
