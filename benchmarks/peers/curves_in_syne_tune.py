"""A table of recorded curves in syne-tune's simulator: what its scripts beside this file share.

They are run by the Python of syne-tune's environment. Importing this module makes syne-tune write to a
temporary folder, and nothing to the log.
"""

import contextlib
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

NEVER = 1e9
"""Seconds between what is printed or written on the way."""


class TableOfCurves:
    """Curves as syne-tune's simulator takes them.

    Attributes
    ----------
    space : dict
        Of the hyperparameters, each within 0 and 1, and the number of epochs, ``epochs``.
    points : list of dict
        The hyperparameters of each row.
    objective : dict
        Arguments that schedulers take: the metric, its direction, and what counts epochs.
    """

    def __init__(self, losses, seconds, inputs):
        """Take losses and seconds of epochs, [n_trials, n_epochs], and hyperparameters [n_trials, d]."""
        self.epochs = losses.shape[1]
        configurations = pd.DataFrame(inputs, columns=[f"x{i}" for i in range(inputs.shape[1])])
        space = {name: config_space.uniform(0, 1) for name in configurations}
        self.space = {**space, "epochs": self.epochs}
        self.points = configurations.to_dict("records")
        self.objective = {
            "metric": "loss",
            "mode": "min",
            "resource_attr": "epoch",
            "max_resource_attr": "epochs",
            "grace_period": 1,
            "search_options": {"debug_log": False, "restrict_configurations": self.points},
        }
        self._blackbox = BlackboxTabular(
            configurations,
            space,
            {"epoch": config_space.randint(1, self.epochs)},
            np.stack([losses, np.cumsum(seconds, axis=1)], axis=-1)[:, np.newaxis],
            objectives_names=["loss", "elapsed"],
        )

    def search(self, scheduler, workers, tuner_class=Tuner, sleep=None, **stopping):
        """Run a scheduler, and return the reports of all epochs, in their order.

        `sleep` is the simulated time after which the tuner looks at its trials again, syne-tune's own by
        default; `stopping` are arguments of `StoppingCriterion`.
        """
        callback = SimulatorCallback()
        pace = {} if sleep is None else {"tuner_sleep_time": sleep}
        tuner = tuner_class(
            UserBlackboxBackend(
                self._blackbox, elapsed_time_attr="elapsed", max_resource_attr="epochs", seed=0, **pace
            ),
            scheduler,
            StoppingCriterion(max_num_trials_finished=len(self.points), **stopping),
            n_workers=workers,
            sleep_time=0,
            callbacks=[callback],
            print_update_interval=NEVER,
            results_update_interval=NEVER,
            save_tuner=False,
        )
        with contextlib.redirect_stdout(sys.stderr):
            tuner.run()
        return callback.dataframe()
