"""How low samplers get on the QUBOs of 20 training curves, and how fast: ``python -m benchmarks.samplers``.

Gaps are (E - E*) / |E*|. Samplers of bits stay on the lattice of the encoding, and E* is the lowest energy
that any row of this run found there. `zoom` and the exact regression leave it: their gap is to the minimum of
the dual objective in the box, found by convex optimisation, which no sampler can go below.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dwave.samplers
import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

from benchmarks.command import command
from mlpf_hpo.files import write_json
from mlpf_hpo.predictors.qubo import DualQubo, Encoding, dual_qubo
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.samplers.exact import lowest_objective
from studies.published.data import PublishedCurves

POINTS, GAMMA, EPSILON, XI = 20, 0.1, 0.02, 0.01
ALL_POINTS = 80
"""Training curves of the published ensembles: as one problem of 480 bits, for `zoom`."""

OFF_LATTICE = ("zoom", "exact")

Row = tuple[str, int, int]
"""Sampler, reads, sweeps."""

QUICK_ROWS: tuple[Row, ...] = (
    ("random", 1000, 1),
    ("steepest_descent", 1000, 1),
    ("simulated_annealing", 100, 100),
    ("simulated_annealing", 100, 1000),
    ("tabu", 10, 100),
    ("path_integral", 20, 100),
    ("mock_pegasus", 100, 100),
    ("mock_zephyr", 100, 100),
    ("zoom", 100, 1),
    ("exact", 1, 1),
)
FULL_ROWS = (
    *QUICK_ROWS,
    ("tabu", 100, 1000),
    ("path_integral", 100, 100),
    ("simulated_annealing", 1000, 1000),
    ("simulated_annealing", 50, 10000),
)


@dataclass(frozen=True)
class Measured:
    """A row: lowest energy per problem, and median seconds."""

    energies: Sequence[float]
    seconds: float


def problems(n: int, points: int = POINTS) -> tuple[str, list[DualQubo]]:
    """Return where n training sets come from, published curves if they are at hand, and their QUBOs."""
    folder = os.environ.get("MLPF_HPO_REFERENCE_DIR")
    if folder:
        published = PublishedCurves.load(Path(folder))
        sets = [published.split(seed, points) for seed in range(n)]
        return "published curves", [_qubo(split.X_train, split.y_train) for split in sets]
    generator = np.random.default_rng(0)
    made = []
    for _ in range(n):
        levels = np.sort(generator.uniform(size=(points, 1)), axis=0)
        X = np.clip(levels + 0.1 * generator.normal(size=(points, 13)), 0, 1)
        made.append(_qubo(X, np.clip(levels[:, 0] + 0.05 * generator.normal(size=points), 0, 1)))
    return "toy curves (MLPF_HPO_REFERENCE_DIR is not set)", made


def _qubo(X: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> DualQubo:
    return dual_qubo(rbf_kernel(X, gamma=GAMMA), y, EPSILON, XI, Encoding())


def measure(row: Row, qubos: Sequence[DualQubo]) -> Measured:
    """Run one sampler on every problem."""
    name, reads, sweeps = row
    sampler = make_sampler(name, reads, sweeps)
    sampler.sample(qubos[0], seed=0)  # graphs, embeddings and imports are made once
    energies, seconds = [], []
    for seed, qubo in enumerate(qubos):
        start = time.perf_counter()
        energies.append(float(sampler.sample(qubo, seed).energies.min()))
        seconds.append(time.perf_counter() - start)
    return Measured(energies, float(np.median(seconds)))


def gaps_to_minimum(measured: Measured, qubos: Sequence[DualQubo]) -> np.ndarray[Any, Any]:
    """Return (E - E*) / |E*| per problem, E* the minimum off the lattice."""
    least = np.array([lowest_objective(qubo) for qubo in qubos])
    return np.asarray((measured.energies - least) / np.abs(least))


def annealing_overhead(qubo: DualQubo, repetitions: int = 3) -> float:
    """Return the time of 100 reads x 1000 sweeps through this package over that of Ocean's sampler alone."""
    model, ocean = qubo.bqm(), dwave.samplers.SimulatedAnnealingSampler()
    ours = make_sampler("simulated_annealing", 100, 1000)
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours.sample(qubo, seed=1),
        "library": lambda: ocean.sample(model, num_reads=100, num_sweeps=1000, seed=1),
    }
    best = dict.fromkeys(calls, np.inf)
    for _ in range(repetitions):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return float(best["ours"] / best["library"])


def label(row: Row) -> str:
    """Return a row's name: reads x sweeps, where it has them."""
    name, reads, sweeps = row
    return name if name in OFF_LATTICE else f"{name} {reads}" + (f" x {sweeps}" if sweeps > 1 else "")


def main() -> None:
    """Measure, print, and keep the numbers where asked."""
    options = command(__doc__, quick="3 problems and the short rows")
    rows = QUICK_ROWS if options.quick else FULL_ROWS
    source, qubos = problems(3 if options.quick else 10)
    print(f"{len(qubos)} problems of {qubos[0].n_variables} bits, {source}; medians")
    measured = {}
    for row in rows:
        measured[row] = measure(row, qubos)
        print(f"  {label(row):<32} {measured[row].seconds:9.3f} s", flush=True)
    lattice = np.min([m.energies for row, m in measured.items() if row[0] not in OFF_LATTICE], axis=0)
    print(f"{'':<34} {'gap':>8} {'to the minimum off the lattice':>32}")
    content: dict[str, Any] = {"problems": source, "n_problems": len(qubos), "samplers": {}}
    for row, found in measured.items():
        off = row[0] in OFF_LATTICE
        to_least = float(np.median(gaps_to_minimum(found, qubos)))
        gap = to_least if off else float(np.median((found.energies - lattice) / np.abs(lattice)))
        told = {"gap": gap, "gap_off_lattice": to_least, "seconds": found.seconds}
        content["samplers"][label(row)] = told
        if off:
            content[row[0]] = told
        print(f"  {label(row):<32} {gap:8.3f} {to_least:32.3f}")
    _, large = problems(len(qubos), ALL_POINTS)
    zoomed = measure(("zoom", 100, 1), large)
    content["zoom80"] = {
        "gap": float(np.median(gaps_to_minimum(zoomed, large))),
        "seconds": zoomed.seconds,
    }
    print(
        f"zoom, {ALL_POINTS} curves ({large[0].n_variables} bits): {content['zoom80']['gap']:.5f} to the "
        f"minimum, {zoomed.seconds:.3f} s"
    )
    content["annealing"] = {"overhead": annealing_overhead(qubos[0])}
    print(f"100 reads x 1000 sweeps: {content['annealing']['overhead']:.3f} of the library's own time")
    if options.json:
        write_json(options.json, content)


if __name__ == "__main__":
    main()
