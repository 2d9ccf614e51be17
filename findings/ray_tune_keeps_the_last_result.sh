#!/usr/bin/env bash
# Ray Tune 2.60.0: the result that meets a stop criterion does not reach the scheduler's on_trial_result.
#
# Guess: with RunConfig(stop={"training_iteration": 3}) a scheduler's on_trial_result gets three results of each trial.
# Seen: it gets two. The third, which meets the criterion, comes only as the argument of on_trial_complete: a scheduler
#   that learns from on_trial_result alone never sees a final value. A scheduler that stops by itself sees all of them.
# Matters for every scheduler that compares final values, or counts the trials that came to the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[tune]==2.60.0"
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler

seen, at_the_end = [], []


class Watch(FIFOScheduler):
    def on_trial_result(self, tune_controller, trial, result):
        seen.append(result["training_iteration"])
        return super().on_trial_result(tune_controller, trial, result)

    def on_trial_complete(self, tune_controller, trial, result):
        at_the_end.append(result["training_iteration"])


class Training(tune.Trainable):
    def step(self):
        return {"loss": 1.0}

    def save_checkpoint(self, checkpoint_dir):
        """Nothing to keep."""


ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR")
tune.Tuner(
    Training,
    tune_config=tune.TuneConfig(metric="loss", mode="min", scheduler=Watch()),
    run_config=tune.RunConfig(stop={"training_iteration": 3}, storage_path=sys.argv[1], verbose=0),
).fit()
print(f"ray {ray.__version__}: on_trial_result got {seen}, on_trial_complete {at_the_end}")
sys.exit(seen != [1, 2] or at_the_end != [3])
PYTHON
