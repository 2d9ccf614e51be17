"""`mlpf-hpo benchmark`: training throughput, with HEPscore's options and statuses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import IN_PARAMS, PARAMS, ParamsFile, examples, flags_named

EXAMPLES = examples(
    "mlpf-hpo benchmark",
    "mlpf-hpo benchmark -W -c 4 -t 1 -e 8",
    "mlpf-hpo benchmark -w results --device gpu",
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
    "benchmark.workload": "--workload",
}


FAILED_COPIES = 1000
"""Added to a number of failed copies until the process ends: two failed copies are no wrong usage."""


def benchmark(
    store: Annotated[Path, typer.Option(help="Event store to train on.")] = Path("data/events/train"),
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
    mop: Annotated[str, typer.Option("-m", "--mop", help="What to remove at the end: none, custom, all.")] = (
        "none"
    ),
    debug: Annotated[bool, typer.Option("-d", "--debug", help="Verbose logs in proc_<i>/out.log.")] = False,
    epochs: Annotated[
        int | None, typer.Option(min=2, help="The first is warm-up.", show_default=IN_PARAMS)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, gpu, or gpu-0.")] = "cpu",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Events per batch.", show_default=IN_PARAMS)
    ] = None,
    precision: Annotated[str, typer.Option(help="32, bf16-mixed or 16-mixed.")] = "32",
    workload: Annotated[
        str, typer.Option(help="What copies train: mlpf-training, or a workload of an installed package.")
    ] = "mlpf-training",
    params: ParamsFile = PARAMS,
) -> None:
    """Measure training throughput: N copies of a fixed configuration, report in HEP-Workloads format.

    Options that are not given are taken from the section `benchmark` of params.yaml. Without any option, the
    command measures the same as the stage.
    """
    from mlpf_hpo.config import Params, load_params
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.workload.benchmark import run_benchmark, summary

    settings = load_params(params) if params.is_file() else Params()
    defaults = settings.benchmark
    threads = threads or defaults.threads
    given = defaults.copies if copies is None else copies
    with flags_named(FLAGS):
        result = run_benchmark(
            store,
            Path("/results") if in_results else results_dir,
            copies=max(1, usable_cpus() // threads) if given in (0, "auto") else int(given),
            threads=threads,
            events_per_thread=events_per_thread or defaults.events_per_thread,
            epochs=epochs or defaults.epochs,
            batch_size=batch_size or defaults.batch_size,
            network=settings.network,
            workload=workload,
            device=device,
            precision=precision,
            minimum_overlap=defaults.minimum_overlap,
            debug=debug,
            mop=mop,  # type: ignore[arg-type] # checked by run_benchmark
        )
    console.out.print(summary(result), markup=False)
    raise typer.Exit(result.exit_status and FAILED_COPIES + result.exit_status)
