#!/usr/bin/env bash
# syne-tune 0.16.0: a scheduler that has nothing for a worker now ends the search for good.
#
# Guess: `suggest()` that returns None leaves the worker idle; it is asked again after the next report, so that a
#   scheduler may wait for running trials before it resumes a paused one.
# Seen: the tuner takes the first None for an exhausted space. Trials that run are trained on, but the scheduler is
#   never asked again, and what they make possible does not happen: the paused trial stays where it is.
# Matters for every scheduler that compares the trials of a round, such as synchronous Hyperband, on several workers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check syne-tune==0.16.0 huggingface_hub==2.4.0
SYNETUNE_FOLDER="$folder/results" "$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import logging
import sys

import numpy as np
import pandas as pd

logging.disable(logging.CRITICAL)
from syne_tune import StoppingCriterion, Tuner, config_space
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository import UserBlackboxBackend
from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular
from syne_tune.optimizer.scheduler import SchedulerDecision, TrialScheduler, TrialSuggestion


class Wait(TrialScheduler):
    """Two trials pause after the first epoch; when both have, the first is resumed, and that is all."""

    def __init__(self):
        super().__init__(random_seed=0)
        self.started, self.paused, self.asked = 0, 0, 0

    def suggest(self):
        self.asked += 1
        if self.started < 2:
            self.started += 1
            return TrialSuggestion.start_suggestion({"x": self.started / 4, "y": 0.5})
        if self.paused == 2:
            self.paused = 0
            return TrialSuggestion.resume_suggestion(0)
        return None

    def on_trial_result(self, trial, result):
        if result["epoch"] > 1:
            return SchedulerDecision.CONTINUE
        self.paused += 1
        return SchedulerDecision.PAUSE

    def metric_names(self):
        return ["loss"]

    def metric_mode(self):
        return "min"

    def metadata(self):
        return {"metric_names": ["loss"], "metric_mode": "min"}


space = {"x": config_space.uniform(0, 1), "y": config_space.uniform(0, 1)}
elapsed = np.array([[1.0, 2, 3], [5, 10, 15]])  # the second trial is slower
blackbox = BlackboxTabular(
    pd.DataFrame({"x": [0.25, 0.5], "y": 0.5}),
    space,
    {"epoch": config_space.randint(1, 3)},
    np.stack([np.ones((2, 3)), elapsed], axis=-1)[:, np.newaxis],
    objectives_names=["loss", "elapsed"],
)
scheduler, callback = Wait(), SimulatorCallback()
tuner = Tuner(
    UserBlackboxBackend(blackbox, elapsed_time_attr="elapsed", seed=0),
    scheduler,
    StoppingCriterion(max_num_trials_finished=99),
    n_workers=2,
    sleep_time=0,
    callbacks=[callback],
    save_tuner=False,
)
with contextlib.redirect_stdout(sys.stderr):
    tuner.run()
epochs = callback.dataframe().groupby("trial_id").epoch.max().tolist()
print(f"syne-tune 0.16.0: asked {scheduler.asked} times, epochs of the two trials: {epochs}")
sys.exit(epochs != [1, 1] or scheduler.asked != 3 or scheduler.paused != 2)
PYTHON
