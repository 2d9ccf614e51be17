"""How a search scales with its workers: under Ray here, and simulated for as many as a cluster has.

    python -m benchmarks.scaling [PART ...] [--quick] [--json FILE] [--table NAME=FILE[:PREFIX[:MODE]]]

Parts:
ray        searches of the data set campaign-v0 (final half; the design half is the prior) under Ray Tune, by
           trials that sleep as long as each epoch took: where the workers' time went, and what the simulator
           makes of the same search
simulated  made-up curves in the simulator, with the costs of the part `ray`, for up to 4,096 workers
goals      makespan and epochs of ours over ASHA's at equal regret, 24 workers, on the tables that are named

What FILE has of other parts is kept and used, so that they need not be measured again. The part `ray` writes
there after each search, and goes on from there on the same machine if it was stopped. `--quick` sleeps for a
twentieth of the time, with one and two workers, and simulates little.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import report
from benchmarks.decisions import campaign
from benchmarks.pages import read_json
from benchmarks.scaling_goals import at_equal_regret
from benchmarks.search_trace import TracedScheduler
from benchmarks.tables import TABLE_FORM, named_tables
from mlpf_hpo import console
from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.data_sets import load_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.search.overheads import Overheads
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.seeds import derive_seed

SCHEDULERS = ("asha", "promotion_asha", "freeze_thaw")
CURVES = "campaign-v0"
SECONDS = "time/epoch_seconds"
WORKERS, QUICK_WORKERS = (1, 2, 4, 8, 16, 24), (1, 2)
QUICK_SHARE = 0.05
"""Of an epoch's time that is slept with ``--quick``."""

MANY, QUICK_MANY = (1, 4, 24, 96, 384, 1024, 4096), (1, 4, 24)
TRIALS, QUICK_TRIALS, FEW_TRIALS = 16_384, 256, 243
EPOCHS = 100
SPREAD, JITTER = 0.1, 0.02

PAPER_SECONDS = 576.0
"""Of an epoch on a node of the paper's: 16 hours for 100."""

LAPTOP_WORKERS = 2

Numbers = dict[str, float]


Keep = Callable[[Numbers], None]

WHOLE = "overhead.share_laptop"
"""What the part `ray` has only at its end."""


def under_ray(quick: bool, known: Mapping[str, float], keep: Keep) -> Numbers:
    """Measure searches under Ray, and what the simulator makes of each; known ones are not repeated.

    `keep` is called with the numbers of each search when it has ended.
    """
    from benchmarks.ray_scaling import run_under_ray, simulated  # Ray, which takes a second to import

    searched, prior = load_curves(CURVES, "final"), load_curves(CURVES, "design")
    seconds = searched.metrics[SECONDS] * (QUICK_SHARE if quick else 1.0)
    numbers: Numbers = {"ray.epoch_seconds": float(np.median(seconds)), "ray.trials": len(searched)}
    for name in SCHEDULERS:
        make = partial(make_scheduler, name, prior=prior, max_epochs=searched.n_epochs)
        for workers in QUICK_WORKERS if quick else WORKERS:
            prefix = f"ray.{name}.{workers}."
            of_search = {key: value for key, value in known.items() if key.startswith(prefix)}
            if not of_search:
                found = run_under_ray(searched, make(), workers, seconds)
                same = simulated(searched, make(), workers, seconds, found)
                found |= {f"simulated.{key}": value for key, value in same.items()}
                of_search = {f"{prefix}{key}": value for key, value in found.items()}
                keep(of_search)
            numbers |= of_search
            print(f"{name}, {workers} workers: overhead {of_search[f'{prefix}overhead']:.1%}", flush=True)
        key = f"ray.{name}.{LAPTOP_WORKERS}"
        numbers[f"overhead.share_laptop.{name}"] = numbers[f"{key}.overhead"]
        numbers[f"idle.share_laptop.{name}"] = numbers[f"{key}.idle"]
        numbers |= _at_paper(name, searched, make(), numbers)
    for which in ("overhead", "idle"):
        for size in ("laptop", "paper"):
            of_all = [numbers[f"{which}.share_{size}.{name}"] for name in SCHEDULERS]
            numbers[f"{which}.share_{size}"] = max(of_all)
    return numbers


def _at_paper(name: str, searched: LearningCurves, scheduler: Any, numbers: Mapping[str, float]) -> Numbers:
    """Return the shares of the same search where epochs take as long as the paper's, with the costs here."""
    seconds = searched.metrics[SECONDS]
    seconds = seconds * (PAPER_SECONDS / np.median(seconds))
    workers = LAPTOP_WORKERS
    measured = {key: numbers[f"ray.{name}.{workers}.{key}"] for key in ("start", "resume", "report")}
    found = replayed(searched, scheduler, workers, seconds, Overheads(**measured))
    begin_and_end = sum(numbers[f"ray.{name}.{workers}.{key}"] for key in ("startup", "shutdown"))
    wall = found["makespan"] + begin_and_end
    outside = found["training"] * found["makespan"] + found["idle"] * found["makespan"]
    return {
        f"overhead.share_paper.{name}": 1 - outside / wall,
        f"idle.share_paper.{name}": found["idle"] * found["makespan"] / wall,
    }


def replayed(
    curves: LearningCurves, scheduler: Any, workers: int, seconds: FloatArray, overheads: Overheads
) -> Numbers:
    """Return makespan, work, and the shares of workers x makespan of a simulated search."""
    traced = TracedScheduler(scheduler, curves.n_epochs)
    search = simulate(curves, traced, workers, durations=seconds, overheads=overheads)
    epochs = [trial.epochs for trial in search.trials]
    work = sum(float(row[:n].sum()) for row, n in zip(seconds, epochs, strict=True))
    started = sum(n > 0 for n in epochs)
    resumed = len(traced.chosen) - started
    costs = started * overheads.start + resumed * overheads.resume + search.epochs * overheads.report
    total = workers * search.makespan
    return {
        "makespan": search.makespan,
        "work": work,
        "training": work / total,
        "overhead": costs / total,
        "idle": 1 - (work + costs) / total,
        "epochs": search.epochs,
        "resumes": resumed,
    }


def for_many_workers(quick: bool, known: Mapping[str, float]) -> Numbers:
    """Simulate rank rules on many trials with the costs found under Ray, in units of an epoch."""
    curves = campaign(QUICK_TRIALS if quick else TRIALS, EPOCHS, seed=0)
    generator = np.random.default_rng(derive_seed(0, "durations"))
    per_trial, per_epoch = generator.normal(size=(len(curves), 1)), generator.normal(size=curves.values.shape)
    seconds = np.exp(SPREAD * per_trial + JITTER * per_epoch)
    numbers: Numbers = {"simulated.trials": len(curves)}
    sizes = {"laptop": float(np.median(load_curves(CURVES).metrics[SECONDS])), "paper": PAPER_SECONDS}
    for name in ("asha", "promotion_asha"):
        costs = {key: known[f"ray.{name}.{LAPTOP_WORKERS}.{key}"] for key in ("start", "resume", "report")}
        for size, epoch in sizes.items():
            overheads = Overheads(**{key: value / epoch for key, value in costs.items()})
            key = f"simulated.{size}.{name}"
            numbers |= _speedups(key, name, curves, seconds, overheads, QUICK_MANY if quick else MANY)
            # One driver decides on every epoch: with more workers than this it is what they wait for.
            numbers[f"{key}.driver_workers"] = epoch / known[f"ray.{name}.{LAPTOP_WORKERS}.driver"]
        few = curves.select(np.arange(min(FEW_TRIALS, len(curves))))
        numbers["reloading.trials"] = len(few)
        reload = Overheads(start=1.0, resume=1.0)
        numbers |= _speedups(
            f"reloading.{name}", name, few, seconds[: len(few)], reload, WORKERS if not quick else QUICK_MANY
        )
    return numbers


def _speedups(
    key: str,
    name: str,
    curves: LearningCurves,
    seconds: FloatArray,
    overheads: Overheads,
    counts: tuple[int, ...],
) -> Numbers:
    numbers: Numbers = {}
    alone: Numbers = {}
    for workers in counts:
        scheduler = make_scheduler(name, max_epochs=curves.n_epochs)
        found = replayed(curves, scheduler, workers, seconds, overheads)
        alone = alone or found
        found["work_ratio"] = found["work"] / alone["work"]
        found["speedup"] = alone["makespan"] / found["makespan"]
        numbers |= {f"{key}.{workers}.{what}": value for what, value in found.items()}
    return numbers


RAY, SIMULATED, GOALS = PARTS = ("ray", "simulated", "goals")


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(PARTS)}; or all")
    parser.add_argument("--quick", action="store_true", help="a minute on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--table", action="append", default=[], metavar=TABLE_FORM, help="repeatable")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts = options.parts or PARTS
    host = {name: value for name, value in describe_host().record().items() if name != "hostname"}
    about = json.loads(json.dumps({"machine": host, "quick": options.quick}))  # as a file has it
    numbers: dict[str, Any] = {}
    if options.json is not None and options.json.exists():
        numbers = read_json(options.json, "measure with: python -m benchmarks.scaling --json FILE")
    if RAY in parts:
        goes_on = WHOLE not in numbers and all(numbers.get(name) == value for name, value in about.items())

        def keep(found: Numbers) -> None:
            numbers.update(found)
            if options.json is not None:
                write_json(options.json, {**numbers, **about})

        if not goes_on:
            numbers = {key: value for key, value in numbers.items() if not _of_ray(key)}
        numbers |= under_ray(options.quick, dict(numbers), keep)
    if SIMULATED in parts:
        if WHOLE not in numbers:
            raise ConfigurationError("part simulated: needs the costs of part ray, in the same --json FILE")
        numbers |= for_many_workers(options.quick, numbers)
    if GOALS in parts:
        numbers |= at_equal_regret(named_tables(options.table), options.quick)
    printed = {name: value for name, value in numbers.items() if name not in about}
    report(printed, options.json, **about)


def _of_ray(key: str) -> bool:
    return key.startswith((f"{RAY}.", "overhead.", "idle."))


if __name__ == "__main__":
    console.run(main)
