"""ASHA in syne-tune's simulator, run by its Python: ``syne_tune_asha.py TABLE.npz WORKERS ETA``.

The table has `losses` and `seconds`, [number of trials, number of epochs], both floats. The last line printed
is a JSON object: processor seconds of the search, and the number of epochs of each trial.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile
import time

import numpy as np
import pandas as pd

logging.disable(logging.CRITICAL)
os.environ["SYNETUNE_FOLDER"] = tempfile.mkdtemp()  # read at import

from syne_tune import StoppingCriterion, Tuner, config_space  # noqa: E402
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback  # noqa: E402
from syne_tune.blackbox_repository import UserBlackboxBackend  # noqa: E402
from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular  # noqa: E402
from syne_tune.optimizer.schedulers.hyperband import HyperbandScheduler  # noqa: E402

NEVER = 1e9
"""Seconds between what is printed or written on the way."""


def main() -> None:
    """Search the table, in its order, and print what it took."""
    table, workers, eta = np.load(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    losses, elapsed = table["losses"], np.cumsum(table["seconds"], axis=1)
    n, epochs = losses.shape
    # Two hyperparameters at least: with one, a row is not found again.
    configurations = pd.DataFrame({"x": np.arange(n) / n, "y": np.arange(n)[::-1] / n})
    space = {name: config_space.uniform(0, 1) for name in configurations}
    blackbox = BlackboxTabular(
        configurations,
        space,
        {"epoch": config_space.randint(1, epochs)},
        np.stack([losses, elapsed], axis=-1)[:, np.newaxis],
        objectives_names=["loss", "elapsed"],
    )
    points = configurations.to_dict("records")
    scheduler = HyperbandScheduler(
        {**space, "epochs": epochs},
        searcher="random",
        search_options={"debug_log": False, "restrict_configurations": points},
        points_to_evaluate=points,
        metric="loss",
        mode="min",
        resource_attr="epoch",
        max_resource_attr="epochs",
        grace_period=1,
        reduction_factor=eta,
        type="stopping",
    )
    tuner = Tuner(
        UserBlackboxBackend(blackbox, elapsed_time_attr="elapsed", max_resource_attr="epochs", seed=0),
        scheduler,
        StoppingCriterion(max_num_trials_finished=n),
        n_workers=workers,
        sleep_time=0,
        callbacks=[SimulatorCallback()],
        print_update_interval=NEVER,
        results_update_interval=NEVER,
        save_tuner=False,
    )
    begun = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):
        tuner.run()
    seconds = time.process_time() - begun
    reached = tuner.callbacks[0].dataframe().groupby("trial_id").epoch.max().sort_index()
    print(json.dumps({"seconds": seconds, "epochs": reached.tolist()}))


if __name__ == "__main__":
    main()
