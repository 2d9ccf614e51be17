"""Spread of the benchmark's score from run to run, by the wall clock and by processor time.

Runs the benchmark again and again, everything the same, and compares two scores of each run: events per
second by the wall clock, which is the benchmark's, and events per second of processor time. Beside each stand
the load of the machine and whether the copies were contended: where others use it, the spread is theirs.

    python -m benchmarks.workload_stability --json stability.json
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.workload.benchmark import WARM_UP_EPOCHS, run_benchmark
from mlpf_hpo.workload.copies import CopyMessage
from mlpf_hpo.workload.tiers import TIERS

SCORES = ("events_per_second", "events_per_cpu_second")


def variation(values: Sequence[float]) -> float | None:
    """Return the coefficient of variation, standard deviation over mean; None of fewer than two values."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) / statistics.fmean(values)


def run_once(tier: str, copies: int, threads: int, events: int, epochs: int) -> dict[str, Any]:
    """Run the benchmark once; return its scores and what else ran."""
    before = os.getloadavg()[0]
    settings = Params()
    by_epoch: dict[str, list[float]] = {score: [] for score in SCORES}

    def after_epoch(message: CopyMessage) -> None:
        if message.content.get("epoch", 0) > WARM_UP_EPOCHS:
            rate = message.content["throughput/events_per_second"]
            by_epoch[SCORES[0]].append(rate)
            by_epoch[SCORES[1]].append(rate / (message.content["system/cpu_fraction"] * threads))

    with tempfile.TemporaryDirectory() as folder:
        result = run_benchmark(
            TIERS[tier].verified(),
            Path(folder),
            copies=copies,
            threads=threads,
            events_per_thread=events,
            epochs=epochs,
            batch_size=settings.benchmark.batch_size,
            network=settings.network,
            repeat_events=True,
            on_message=after_epoch,
        )
    (score,) = result.report["report"]["wl-scores"].values()
    measured = result.report["measurements"]
    return {
        "events_per_second": score,
        "events_per_cpu_second": measured["events_per_cpu_second"],
        "cpu_fraction": measured["cpu_fraction"],
        "contended": measured["contended"],
        "spread_over_epochs": measured["spread_over_epochs"],
        "epochs": by_epoch,
        "load_before": before,
        "load_after": os.getloadavg()[0],
        "log": result.report["report"]["log"],
    }


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the variation of both scores: over all runs, those that were not contended, epochs of a run."""
    quiet = [run for run in runs if not run["contended"]]
    found: dict[str, Any] = {"runs": len(runs), "uncontended": len(quiet)}
    for score in SCORES:
        found[score] = {
            "median": statistics.median(run[score] for run in runs),
            "cv": variation([run[score] for run in runs]),
            "cv_uncontended": variation([run[score] for run in quiet]),
            "cv_of_epochs": statistics.median(variation(run["epochs"][score]) or 0.0 for run in runs),
        }
    return found


def main() -> None:
    """Run, print, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--tier", default="pu0", choices=sorted(TIERS))
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--events", type=int, help="per thread and epoch; by default the tier's")
    parser.add_argument("--epochs", type=int, help="by default the tier's")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    tier = TIERS[given.tier]
    size = {"events": given.events or tier.events_per_thread, "epochs": given.epochs or tier.epochs}
    runs: list[dict[str, Any]] = []
    for i in range(given.runs):
        runs.append(run_once(given.tier, given.copies, given.threads, **size))
        told = runs[-1]
        contended = ", contended" if told["contended"] else ""
        print(
            f"run {i + 1}: {told['events_per_second']:.1f} events/s, {told['events_per_cpu_second']:.1f} per "
            f"CPU second, CPU {told['cpu_fraction']:.2f}{contended}; load {told['load_before']:.1f}",
            flush=True,
        )
        settings = {**vars(given), "json": None, **size}
        content = {"settings": settings, "host": describe_host().record(), "each": runs}
        if given.json is not None:
            write_json(given.json, {**content, "summary": summarise(runs)})
    print(summarise(runs))


if __name__ == "__main__":
    main()
