"""Schedulers of other projects on the same rows as freeze-thaw: epochs to reach a regret.

``python -m benchmarks.peers --folder FOLDER [--json FILE] [--table NAME[=FILE[:PREFIX[:MODE]]]] [--seeds N]
[--peers NAME,...]``. On random halves of a table's design half, as `benchmarks.schedulers` draws them: ASHA
and PASHA of syne-tune 0.13, which take configurations in their order, its HyperTune, MOBSTER and DyHPO, which
choose among them, and pruners of Optuna; beside them freeze-thaw without a prior and with the other half as
prior. All have the same rows, durations of epochs, workers, and number of epochs at most; eta is 3 and the
first rung 1. Regret is that of trials that were trained in full: PASHA trains none in full unless the order
of the best is in doubt. syne-tune runs in an environment of its own, made in FOLDER if there is none; Optuna
in this one (``pip install optuna==5.0.0``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna

from benchmarks.command import print_numbers
from benchmarks.peers.environment import peer_python, run_peer
from benchmarks.peers.optuna_search import PRUNERS, make_pruner, pruned_rows
from benchmarks.schedulers import Table, read_tables
from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.schema import LearningCurves, regressor_columns
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.search.anytime import AnytimeRegret, RegretScale, anytime_regret, epochs_at
from mlpf_hpo.search.draws import Draw
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

PEERS = (*OURS, *(f"optuna.{name}" for name in PRUNERS), *(f"syne_tune.{name}" for name in SYNE_TUNE))
REGRETS = (0.05, 0.02, 0.01)


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


def search_rows(name: str, draw: Draw, python: Path | None, budget: int) -> list[int]:
    """Return the row of each epoch of a search, in the order in which they were reported."""
    curves, durations = draw.searched, durations_of(draw.searched, draw.seed)
    project, _, rule = name.partition(".")
    if project == "freeze_thaw":
        scheduler = FreezeThaw(curves.n_epochs, curves.mode, draw.prior if rule else None, ends=False)
        found = simulate(curves, scheduler, WORKERS, draw.seed, durations=durations)
        return [int(row) for row in found.rows[:budget]]
    if project == "optuna":
        return pruned_rows(curves, durations, make_pruner(rule, curves.n_epochs, ETA), WORKERS, budget)
    if python is None:
        raise ConfigurationError(f"{name} needs --folder")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "table.npz")
        losses = curves.values if curves.mode == "min" else -curves.values
        np.savez(file, losses=losses, seconds=durations, inputs=unit_inputs(curves))
        printed = run_peer(python, "syne_tune_search.py", file, rule, WORKERS, ETA, draw.seed, budget)
    return list(json.loads(printed.splitlines()[-1]))[:budget]


def measure(
    table: Table, names: tuple[str, ...], seeds: int, python: Path | None
) -> Iterator[dict[str, float]]:
    """Yield, scheduler by scheduler, ``NAME.{epochs_at.REGRET,epochs,regret}``.

    The first: after how many epochs the mean regret of the best fully trained trial is at most that; the
    budget where it never is. The others are means at the end.
    """
    plan = table.plan(final=False)
    budget = min(FULL_TRAININGS, plan.sizes.searched) * plan.curves.n_epochs
    for name in names:
        searches: list[AnytimeRegret] = []
        epochs = []
        for seed in range(seeds):
            draw = plan.draw(seed)
            rows = np.array(search_rows(name, draw, python, budget), dtype=np.int64)
            search = SimulatedSearch((), draw.searched.target, 0.0, rows, np.zeros(len(rows)))
            searches.append(anytime_regret(search, draw.searched, RegretScale.of(draw.searched)))
            epochs.append(len(rows))
        found = {
            f"{name}.epochs_at.{regret}": float(epochs_at(searches, regret, budget)[0]) for regret in REGRETS
        }
        found[f"{name}.epochs"] = float(np.mean(epochs))
        found[f"{name}.regret"] = float(np.mean([one.regret[-1] for one in searches]))
        yield found


def main() -> None:
    """Measure, print the numbers, and keep them with ``--json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="environment of syne-tune")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--table", default="digits", help="a table as of benchmarks.schedulers; digits")
    parser.add_argument("--seeds", type=int, default=8, help="searches of each scheduler; 8")
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAME,...", help=", ".join(PEERS))
    options = parser.parse_args()
    names = tuple(name.strip() for name in options.peers.split(",") if name.strip())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if unknown := sorted(set(names) - set(PEERS)):
            raise ConfigurationError(f"--peers: no {', '.join(unknown)}; there are {', '.join(PEERS)}")
        if options.seeds < 1:
            raise ConfigurationError(f"--seeds must be at least 1, found {options.seeds}")
        foreign = [name for name in names if name.startswith("syne_tune")]
        if foreign and options.folder is None:
            raise ConfigurationError(f"{foreign[0]} needs --folder, where its environment is or will be made")
        (table,) = read_tables([options.table], []).values()
        python = peer_python("syne_tune", options.folder) if foreign else None
        numbers: dict[str, float] = {}
        for found in measure(table, names, options.seeds, python):
            print_numbers(found)
            numbers |= found
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    if options.json is not None:
        write_json(options.json, numbers)


if __name__ == "__main__":
    main()
