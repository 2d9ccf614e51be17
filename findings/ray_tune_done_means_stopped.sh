#!/usr/bin/env bash
# Ray Tune 2.60.0: in a trial's result.json, `done` is true where the trial was stopped, and false where it finished.
#
# Guess: the last result of a trial whose function returned says "done": true, and that of a trial which a scheduler
#   stopped early says false: it was not done.
# Seen: the other way round. Who stops a trial marks its last result before it is logged; a function that returns is
#   noticed after its last result was logged, and the mark is only made in memory. A trial that a limit of training
#   iterations stopped has true as well. And error.txt stays in the folder of a trial that failed, was restored and
#   then finished.
# Matters where results are read from the folder: whether a short curve is a short training or a pruned one, and whether
#   a trial with an error.txt failed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[tune]==2.60.0"
export RAY_USAGE_STATS_ENABLED=0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

folder = Path(sys.argv[1])


def train(config):
    for epoch in range(config["epochs"]):
        if epoch == 1 and config["fails"] and not (folder / "failed").exists():
            (folder / "failed").touch()
            raise RuntimeError
        tune.report({"loss": config["level"]})


def results(name, scheduler=None, **space):
    """Return the result of each line of each trial, and whether there is an error.txt."""
    given = {"level": 0.0, "fails": False, "epochs": 4, **space}
    settings = tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=1)
    storage = tune.RunConfig(name=name, storage_path=str(folder), verbose=0)
    tune.Tuner(train, param_space=given, tune_config=settings, run_config=storage).fit()
    if given["fails"]:
        tune.Tuner.restore(str(folder / name), train, resume_errored=True).fit()
    files = sorted((folder / name).glob("*/result.json"))
    lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    return lines, [(file.parent / "error.txt").exists() for file in files]


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
(returned,), _ = results("returned")
halving = ASHAScheduler(metric="loss", mode="min", max_t=9, grace_period=1, reduction_factor=2)
(_, stopped), _ = results("stopped", halving, level=tune.grid_search([0.0, 1.0]))
(restored,), (error_file,) = results("restored", fails=True)
found = {
    "returned after 4": (len(returned), returned[-1]["done"]),
    "stopped by ASHA": (len(stopped), stopped[-1]["done"]),
    "error.txt after it finished": (restored[-1]["training_iteration"], error_file),
}
print("ray", ray.__version__, found)
sys.exit(found != {"returned after 4": (4, False), "stopped by ASHA": (1, True), "error.txt after it finished": (4, True)})
PYTHON
