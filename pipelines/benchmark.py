"""Stage `benchmark`: training throughput of a fixed configuration, in HEP-Workloads format."""

from pathlib import Path

from mlpf_hpo import console


def main() -> int:
    """Write results/benchmark; the exit status is the number of failed copies."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.workload.benchmark import run_benchmark, summary
    from mlpf_hpo.workload.cores import number_of_copies
    from mlpf_hpo.workload.record import record_benchmark

    params = load_params()
    settings = params.benchmark
    events = Path("data/events/train")
    result = run_benchmark(
        events,
        Path("results/benchmark"),
        copies=number_of_copies(settings.copies, settings.threads),
        threads=settings.threads,
        events_per_thread=settings.events_per_thread,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        network=params.network,
        minimum_overlap=settings.minimum_overlap,
    )
    console.out.print(f"{summary(result)}\n  {record_benchmark(result, events)}", markup=False)
    return result.exit_status


if __name__ == "__main__":
    console.run(main)
