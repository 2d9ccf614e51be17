"""What commands take before they do anything: ``python -m benchmarks.startup [--quick] [--json FILE]``.

Run it in a project whose pipeline has run: `mlpf-hpo status` tells of its stages and runs. Each command takes
turns with the process that it is compared with.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from benchmarks.command import command, report

COMMAND = (sys.executable, "-m", "mlpf_hpo.cli")

PAIRS = {
    "status": ((*COMMAND, "status"), (sys.executable, "-c", "import mlflow")),
    "help": ((*COMMAND, "--help"), (sys.executable, "-c", "pass")),
}
"""A command, and what there is of it in any case."""

RUNS, QUICK_RUNS = 15, 3


def seconds_of(argv: tuple[str, ...]) -> tuple[float, float]:
    """Return wall time and processor time of a process, with that of its own processes."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, os.times()
    return wall, sum(after[2:4]) - sum(before[2:4])


def measure(runs: int) -> dict[str, float]:
    """Return medians: of the commands, and of what they take above the process of their pair."""
    found: dict[str, float] = {}
    for name, (asked, least) in PAIRS.items():
        pairs = [(seconds_of(asked), seconds_of(least)) for _ in range(runs + 1)][1:]  # one warms the cache
        for kind, at in (("wall", 0), ("processor", 1)):
            found[f"{name}.{kind}_seconds"] = statistics.median(one[at] for one, _ in pairs)
            found[f"{name}.{kind}_seconds_above"] = statistics.median(one[at] - it[at] for one, it in pairs)
    return found


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick=f"{QUICK_RUNS} pairs instead of {RUNS}")
    numbers = measure(QUICK_RUNS if options.quick else RUNS)
    report(numbers, options.json)


if __name__ == "__main__":
    main()
