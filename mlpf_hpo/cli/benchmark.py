"""`mlpf-hpo benchmark`: training throughput, with HEPscore's options and statuses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.style import ParamsFile, examples

EXAMPLES = examples(
    "mlpf-hpo benchmark -W -c 4 -t 1 -e 64",
    "mlpf-hpo benchmark -w results --device gpu",
    also="Exit status: 0 good, 1-63 failed copies, 64 usage, 65 data, 66 no events.",
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
