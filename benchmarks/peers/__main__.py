"""Schedulers of other projects on the same rows as freeze-thaw: epochs to reach a regret.

``python -m benchmarks.peers --folder FOLDER [--json FILE] [--table NAME[=FILE[:PREFIX[:MODE]]]]...
[--seeds N] [--peers NAME,...]``. On random halves of a table's design half, as `benchmarks.schedulers` draws
them: ASHA and PASHA of syne-tune 0.13, Hyperband of SMAC 2.4 and pruners of Optuna 5, which take
configurations in their order; syne-tune's HyperTune, MOBSTER and DyHPO, which choose among them; beside them
freeze-thaw without a prior and with the other half as prior. All have the same rows, durations of epochs,
workers, and number of epochs at most; eta is 3 and the first rung 1. Regret is that of trials that were
trained in full: PASHA trains none in full unless the order of the best is in doubt.

syne-tune and SMAC run in environments of their own, made in FOLDER if there are none; Optuna in this one.
Numbers that FILE has already, of other tables and peers, are kept.
``python -m benchmarks.peers.page RESULTS.json`` makes docs/peers.md of the JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.command import print_numbers
from benchmarks.pages import read_json
from benchmarks.peers.environment import peer_python, run_peer
from benchmarks.peers.optuna_search import PRUNERS, make_pruner, pruned_rows
from benchmarks.schedulers import Table, read_tables
from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.schema import LearningCurves, regressor_columns
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.search.anytime import AnytimeRegret, RegretScale, anytime_regret, epochs_at
from mlpf_hpo.search.draws import Draw, DrawPlan
from mlpf_hpo.search.replay import JITTER, SPREAD
from mlpf_hpo.search.schedulers.freeze_thaw import FreezeThaw
from mlpf_hpo.search.simulator import SimulatedSearch, simulate
from mlpf_hpo.seeds import derive_seed

WORKERS, ETA, FULL_TRAININGS = 8, 3.0, 20
"""The last: a search ends after the epochs of so many."""

EPOCH_SECONDS = 500.0
"""syne-tune looks at its trials from time to time, and with short epochs misses some."""

SYNE_TUNE = ("ASHA", "PASHA", "HyperTune", "MOBSTER", "DyHPO")
OURS = {"freeze_thaw": False, "freeze_thaw.prior": True}
"""Whether there is a prior campaign."""

SCRIPTS = {"syne_tune": "syne_tune_search.py", "smac": "smac_search.py"}
"""Projects that are run by Pythons of their own, and what runs a search there."""

PEERS = (
    *OURS,
    *(f"optuna.{name}" for name in PRUNERS),
    *(f"syne_tune.{name}" for name in SYNE_TUNE),
    "smac.Hyperband",
)
REGRETS = (0.05, 0.02, 0.01)

Pythons = Mapping[str, Path]
"""Project -> its Python."""


def durations_of(curves: LearningCurves, seed: int) -> FloatArray:
    """Return the seconds of each epoch, [n_trials, n_epochs], as widely spread as in a replay."""
    generator = np.random.default_rng(derive_seed(seed, "durations beside peers"))
    of_trials, of_epochs = generator.normal(size=(len(curves), 1)), generator.normal(size=curves.values.shape)
    return np.asarray(EPOCH_SECONDS * np.exp(SPREAD * of_trials + JITTER * of_epochs))


def unit_inputs(curves: LearningCurves) -> FloatArray:
    """Return hyperparameters within 0 and 1, [n_trials, d]; logarithms where they span decades."""
    table = regressor_columns(curves.configs[list(curves.hyperparameters)])
    matrix = CurveFeatures().fit(table).transform(table)
    matrix = matrix[:, np.ptp(matrix, axis=0) > 0]
    return np.asarray((matrix - matrix.min(axis=0)) / np.ptp(matrix, axis=0))


def search_rows(name: str, draw: Draw, pythons: Pythons, budget: int) -> list[int]:
    """Return the row of each epoch of a search, in the order in which they were reported."""
    curves, durations = draw.searched, durations_of(draw.searched, draw.seed)
    project, _, rule = name.partition(".")
    if project == "freeze_thaw":
        scheduler = FreezeThaw(curves.n_epochs, curves.mode, draw.prior if rule else None, ends=False)
        found = simulate(curves, scheduler, WORKERS, draw.seed, durations=durations)
        return [int(row) for row in found.rows[:budget]]
    if project == "optuna":
        return pruned_rows(curves, durations, make_pruner(rule, curves.n_epochs, ETA), WORKERS, budget)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "table.npz")
        losses = curves.values if curves.mode == "min" else -curves.values
        np.savez(file, losses=losses, seconds=durations, inputs=unit_inputs(curves))
        printed = run_peer(pythons[project], SCRIPTS[project], file, rule, WORKERS, ETA, draw.seed, budget)
    return list(json.loads(printed.splitlines()[-1]))[:budget]


def measure(table: Table, name: str, seeds: int, pythons: Pythons) -> dict[str, Any]:
    """Return what a scheduler reaches: ``{seeds,epochs_at.REGRET,epochs,regret}``.

    After how many epochs the mean regret of the best fully trained trial is at most REGRET, None where it
    never is; the others are means at the end.
    """
    plan = table.plan(final=False)
    searches: list[AnytimeRegret] = []
    epochs = []
    for seed in range(seeds):
        draw = plan.draw(seed)
        rows = np.array(search_rows(name, draw, pythons, budget_of(plan)), dtype=np.int64)
        search = SimulatedSearch((), draw.searched.target, 0.0, rows, np.zeros(len(rows)))
        searches.append(anytime_regret(search, draw.searched, RegretScale.of(draw.searched)))
        epochs.append(len(rows))
    at = {str(regret): float(epochs_at(searches, regret, math.inf)[0]) for regret in REGRETS}
    return {
        "seeds": seeds,
        "epochs_at": {regret: one if math.isfinite(one) else None for regret, one in at.items()},
        "epochs": float(np.mean(epochs)),
        "regret": float(np.mean([one.regret[-1] for one in searches])),
    }


def budget_of(plan: DrawPlan) -> int:
    """Return the number of epochs after which a search ends."""
    return min(FULL_TRAININGS, plan.sizes.searched) * plan.curves.n_epochs


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="of the environments of other projects")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the numbers to it")
    parser.add_argument("--table", action="append", default=[], help="as of benchmarks.schedulers; digits")
    parser.add_argument("--seeds", type=int, default=8, help="searches of each scheduler; 8")
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAME,...", help=", ".join(PEERS))
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for, print it, and add it to the file of numbers as it comes.

    Raises
    ------
    MlpfHpoError
        If an option, a table or an environment cannot be used.
    """
    names = tuple(name.strip() for name in options.peers.split(",") if name.strip())
    if unknown := sorted(set(names) - set(PEERS)):
        raise ConfigurationError(f"--peers: no {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.seeds < 1:
        raise ConfigurationError(f"--seeds must be at least 1, found {options.seeds}")
    foreign = [name for name in names if name.partition(".")[0] in SCRIPTS]
    if foreign and options.folder is None:
        raise ConfigurationError(f"{foreign[0]} needs --folder, where its environment is or will be made")
    there = options.json is not None and options.json.exists()
    numbers = read_json(options.json, "leave it out") if there else {}
    tables = read_tables(options.table or ["digits"], [])
    projects = dict.fromkeys(name.partition(".")[0] for name in foreign)
    pythons = {project: peer_python(project, options.folder / project) for project in projects}
    for table in tables.values():
        plan = table.plan(final=False)
        of_table = numbers.setdefault(table.name, {"peers": {}})
        of_table |= {"configurations": plan.sizes.searched, "budget": budget_of(plan), "workers": WORKERS}
        for name in names:
            found = of_table["peers"][name] = measure(table, name, options.seeds, pythons)
            at = {f"epochs_at.{regret}": one for regret, one in found["epochs_at"].items()}
            shown = {**at, "epochs": found["epochs"], "regret": found["regret"]}
            shown = {key: math.inf if one is None else one for key, one in shown.items()}
            print_numbers({f"{table.name}.{name}.{key}": one for key, one in shown.items()})
            if options.json is not None:
                write_json(options.json, numbers)


def main() -> None:
    """Measure, print the numbers, and keep them with ``--json``."""
    options = arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        run(options)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
