"""A pruner of Optuna on recorded curves, in simulated time."""

from __future__ import annotations

from heapq import heappop, heappush

import optuna
from optuna.pruners import BasePruner

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves

PRUNERS = ("successive_halving", "hyperband", "median")


def make_pruner(name: str, epochs: int, eta: float) -> BasePruner:
    """Return a pruner for trainings of so many epochs, whose first rung is after the first."""
    if name == "successive_halving":
        return optuna.pruners.SuccessiveHalvingPruner(1, round(eta))
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(1, epochs, round(eta))
    return optuna.pruners.MedianPruner()


def pruned_rows(
    curves: LearningCurves, durations: FloatArray, pruner: BasePruner, workers: int, budget: int
) -> list[int]:
    """Return the row of each epoch, in the order in which they were reported, as `SimulatedSearch.rows`.

    Rows start in their order; one that the pruner stops never goes on.

    Parameters
    ----------
    curves : LearningCurves
        The table.
    durations : array [n_trials, n_epochs]
        Of the epochs.
    pruner : BasePruner
        A fresh one.
    workers, budget : int
        Trials that run at once; number of epochs after which the search ends.
    """
    direction = "minimize" if curves.mode == "min" else "maximize"
    # Hyperband's brackets depend on the name, which is random otherwise.
    study = optuna.create_study(study_name="replay", direction=direction, pruner=pruner)
    waiting = iter(range(len(curves)))
    busy: list[tuple[float, int]] = []
    trials: dict[int, optuna.Trial] = {}
    epochs = dict.fromkeys(range(len(curves)), 0)

    def start(now: float) -> None:
        row = next(waiting, None)
        if row is not None:
            trials[row] = study.ask()
            heappush(busy, (now + float(durations[row, 0]), row))

    for _ in range(workers):
        start(0.0)
    rows: list[int] = []
    while busy and len(rows) < budget:
        now, row = heappop(busy)
        value = float(curves.values[row, epochs[row]])
        epochs[row] += 1
        rows.append(row)
        trials[row].report(value, epochs[row])
        if epochs[row] == curves.n_epochs:
            study.tell(trials[row], value)
        elif trials[row].should_prune():
            study.tell(trials[row], state=optuna.trial.TrialState.PRUNED)
        else:
            heappush(busy, (now + float(durations[row, epochs[row]]), row))
            continue
        start(now)
    return rows
