"""A scheduler of syne-tune on recorded curves, run by its Python: ``syne_tune_search.py TABLE.npz NAME ...``.

Arguments: the table, the scheduler's class, number of workers, eta, seed, and the number of epochs after
which the search ends. The table has `losses` and
`seconds`, [n_trials, n_epochs], and `inputs`, [n_trials, d], hyperparameters within 0 and 1; its rows are
offered in their order, or, to a scheduler with a model, as the only configurations that there are. The last
line printed is a JSON list: the row of each epoch, in the order in which they were reported.
"""

import json
import sys

import numpy as np
from curves_in_syne_tune import TableOfCurves
from syne_tune import Tuner
from syne_tune.optimizer import baselines

IN_ORDER = ("ASHA", "PASHA")
"""Schedulers that take configurations as they come; the others have a model and choose among them."""

FIRST = 3
"""Configurations that a model begins with: as many as syne-tune draws at random otherwise."""


class PatientTuner(Tuner):
    """A tuner that does not end a search because all rows were started: paused ones may still be resumed.

    Schedulers with a model fail when no row is left to draw from. DyHPO asks its model for everything: its
    search ends then.
    """

    def _schedule_new_tasks(self, running_trials_ids):
        try:
            super()._schedule_new_tasks(running_trials_ids=running_trials_ids)
        except (StopIteration, ValueError) as error:
            if isinstance(error, ValueError) and "not enough values to unpack" not in str(error):
                raise
            if not running_trials_ids or isinstance(self.scheduler, baselines.DyHPO):
                raise StopIteration from error
            self._sleep()  # simulated time goes on


def make(name, curves, eta, seed):
    """Return the scheduler with its defaults, but for eta, pausing instead of stopping, and the table."""
    settings = {"reduction_factor": eta} if name != "DyHPO" else {}
    if name in ("ASHA", "MOBSTER", "HyperTune"):
        settings["type"] = "promotion"
    return getattr(baselines, name)(
        curves.space,
        points_to_evaluate=curves.points if name in IN_ORDER else curves.points[:FIRST],
        random_seed=seed,
        **curves.objective,
        **settings,
    )


def main() -> None:
    """Search the table and print which epochs were trained."""
    table, name, workers = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    eta, seed, budget = float(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    inputs = table["inputs"]
    curves = TableOfCurves(table["losses"], table["seconds"], inputs)
    reports = curves.search(
        make(name, curves, eta, seed),
        workers,
        PatientTuner,
        sleep=float(np.median(table["seconds"])) / 20,
        max_num_evaluations=budget,
    )
    asked = reports[[f"config_x{i}" for i in range(inputs.shape[1])]].to_numpy(dtype=float)
    distance = np.abs(asked[:, np.newaxis] - inputs[np.newaxis]).sum(axis=-1)
    print(json.dumps(distance.argmin(axis=1).tolist()))


if __name__ == "__main__":
    main()
