"""How fast searches are simulated, and how much faster than in syne-tune's own simulator.

``python -m benchmarks.simulator [--quick] [--json FILE] [--peer FOLDER]``. Processor times on a made-up
table: ASHA that stops and ASHA that promotes on 1,000 trials of 100 epochs with 24 workers, and on 100,000
with 4,096. With `--peer`, syne-tune 0.13 in an environment of its own, which is made in that folder: stopping
ASHA on 1,000 trials of 81 epochs, where its last rung follows the same rule as the others. Both simulators
get the same losses, durations and order of configurations, take turns, and must train every trial for as many
epochs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.command import report
from benchmarks.peers.environment import peer_python, run_peer
from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA
from mlpf_hpo.search.simulator import SimulatedSearch, simulate
from mlpf_hpo.target_metric import TargetMetric

SIZES = {"small": (1_000, 100, 24), "large": (100_000, 100, 4_096)}
"""Trials, epochs and workers."""

SCHEDULERS: dict[str, Callable[[int], Scheduler]] = {
    "stopping_asha": StoppingASHA,
    "promotion_asha": PromotionASHA,
}
ETA, PEER_SIZE, EPOCH_SECONDS = 3.0, (1_000, 81, 24), 500.0
"""The last: syne-tune looks every five simulated seconds, and with short epochs misses some."""


def table(trials: int, epochs: int) -> tuple[LearningCurves, FloatArray]:
    """Return made-up curves that fall at rates and to ends of their own, and the seconds of their epochs."""
    generator = np.random.default_rng(0)
    ends, rates = generator.uniform(1, 2, (trials, 1)), generator.uniform(0.02, 0.3, (trials, 1))
    noise = 0.01 * generator.normal(size=(trials, epochs))
    losses = ends + 3 * np.exp(-rates * np.arange(1, epochs + 1)) + noise
    speed = 0.1 * generator.normal(size=(trials, 1)) + 0.02 * generator.normal(size=(trials, epochs))
    configurations = [{"rate": rate} for rate in rates[:, 0].tolist()]
    curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    return curves, EPOCH_SECONDS * np.exp(speed)


def own_times(sizes: dict[str, tuple[int, int, int]], rounds: int) -> dict[str, float]:
    """Return the processor seconds of each scheduler at each size, the median of so many rounds."""
    numbers: dict[str, float] = {}
    for size, (trials, epochs, workers) in sizes.items():
        curves, _ = table(trials, epochs)
        for name, make in SCHEDULERS.items():
            runs = [timed(curves, make(epochs), workers) for _ in range(rounds)]
            numbers[f"{size}.{name}.seconds"] = statistics.median(seconds for seconds, _ in runs)
            numbers[f"{size}.{name}.epochs"] = runs[0][1].epochs
    return numbers


def timed(
    curves: LearningCurves, scheduler: Scheduler, workers: int, durations: FloatArray | None = None
) -> tuple[float, SimulatedSearch]:
    """Return the processor seconds of a search in the simulator, and the search."""
    begun = time.process_time()
    found = simulate(curves, scheduler, workers, durations=durations)
    return time.process_time() - begun, found


def against_syne_tune(folder: Path, rounds: int) -> dict[str, float]:
    """Return both simulators' processor seconds, and the median over rounds of theirs over ours.

    Raises
    ------
    ConfigurationError
        If the environment cannot be made, or the two do not train the same trials for as many epochs.
    """
    python = peer_python("syne_tune", folder)
    trials, epochs, workers = PEER_SIZE
    curves, durations = table(trials, epochs)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "table.npz")
        np.savez(file, losses=curves.values, seconds=durations)
        for _ in range(rounds):
            printed = json.loads(run_peer(python, "syne_tune_asha.py", file, workers, ETA).splitlines()[-1])
            scheduler = StoppingASHA(epochs, reduction_factor=ETA, own_value=True)
            seconds, found = timed(curves, scheduler, workers, durations)
            if [trial.epochs for trial in found.trials] != printed["epochs"]:
                raise ConfigurationError("the two simulators do not train the same: nothing to compare")
            ours.append(seconds)
            theirs.append(printed["seconds"])
    return {
        "syne_tune.epochs": found.epochs,
        "syne_tune.seconds": statistics.median(theirs),
        "syne_tune.seconds_here": statistics.median(ours),
        "speedup_vs_syne_tune": statistics.median(t / o for t, o in zip(theirs, ours, strict=True)),
    }


def main() -> None:
    """Measure, print the numbers, and keep them with ``--json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, without the 100,000 trials")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--peer", type=Path, metavar="FOLDER", help="with syne-tune, in this environment")
    options = parser.parse_args()
    sizes = {"small": SIZES["small"]} if options.quick else SIZES
    rounds = 1 if options.quick else 3
    try:
        numbers = own_times(sizes, rounds)
        if options.peer is not None:
            numbers |= against_syne_tune(options.peer, rounds)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    report(numbers, options.json)


if __name__ == "__main__":
    main()
