"""A scheduler of syne-tune on recorded curves, run by its Python: ``syne_tune_search.py TABLE.npz NAME ...``.

Arguments: the table, the scheduler's class, number of workers, eta, seed, and the number of epochs after
which the search ends. The table has `losses` and
`seconds`, [n_trials, n_epochs], and `inputs`, [n_trials, d], hyperparameters within 0 and 1; its rows are
offered in their order, or, to a scheduler with a model, as the only configurations that there are. The last
line printed is a JSON list: the row of each epoch, in the order in which they were reported.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile

import numpy as np
import pandas as pd

logging.disable(logging.CRITICAL)
os.environ["SYNETUNE_FOLDER"] = tempfile.mkdtemp()  # read at import

from syne_tune import StoppingCriterion, Tuner, config_space  # noqa: E402
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback  # noqa: E402
from syne_tune.blackbox_repository import UserBlackboxBackend  # noqa: E402
from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular  # noqa: E402
from syne_tune.optimizer import baselines  # noqa: E402

NEVER = 1e9
"""Seconds between what is printed or written on the way."""

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


def make(name, space, points, epochs, eta, seed):
    """Return the scheduler with its defaults, but for eta, pausing instead of stopping, and the table."""
    settings = {"reduction_factor": eta} if name != "DyHPO" else {}
    if name in ("ASHA", "MOBSTER", "HyperTune"):
        settings["type"] = "promotion"
    return getattr(baselines, name)(
        {**space, "epochs": epochs},
        metric="loss",
        mode="min",
        resource_attr="epoch",
        max_resource_attr="epochs",
        grace_period=1,
        search_options={"debug_log": False, "restrict_configurations": points},
        points_to_evaluate=points if name in IN_ORDER else points[:FIRST],
        random_seed=seed,
        **settings,
    )


def main() -> None:
    """Search the table and print which epochs were trained."""
    table, name, workers = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    eta, seed, budget = float(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    losses, elapsed, inputs = table["losses"], np.cumsum(table["seconds"], axis=1), table["inputs"]
    n, epochs = losses.shape
    configurations = pd.DataFrame(inputs, columns=[f"x{i}" for i in range(inputs.shape[1])])
    space = {column: config_space.uniform(0, 1) for column in configurations}
    blackbox = BlackboxTabular(
        configurations,
        space,
        {"epoch": config_space.randint(1, epochs)},
        np.stack([losses, elapsed], axis=-1)[:, np.newaxis],
        objectives_names=["loss", "elapsed"],
    )
    points = configurations.to_dict("records")
    callback = SimulatorCallback()
    tuner = PatientTuner(
        UserBlackboxBackend(
            blackbox,
            elapsed_time_attr="elapsed",
            max_resource_attr="epochs",
            seed=0,
            tuner_sleep_time=float(np.median(table["seconds"])) / 20,
        ),
        make(name, space, points, epochs, eta, seed),
        StoppingCriterion(max_num_trials_finished=n, max_num_evaluations=budget),
        n_workers=workers,
        sleep_time=0,
        callbacks=[callback],
        print_update_interval=NEVER,
        results_update_interval=NEVER,
        save_tuner=False,
    )
    with contextlib.redirect_stdout(sys.stderr):
        tuner.run()
    reports = callback.dataframe()
    asked = reports[[f"config_{column}" for column in configurations]].to_numpy(dtype=float)
    distance = np.abs(asked[:, np.newaxis] - inputs[np.newaxis]).sum(axis=-1)
    print(json.dumps(distance.argmin(axis=1).tolist()))


if __name__ == "__main__":
    main()
