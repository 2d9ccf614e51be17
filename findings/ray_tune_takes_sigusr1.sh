#!/usr/bin/env bash
# ray 2.60.0: tune.run takes SIGUSR1 even where it is told to leave signals alone, and does not give it back.
#
# Guess: with TUNE_DISABLE_SIGINT_HANDLER=1 the handlers of the program stay in place during tune.run, so that a batch
#   system's warning (#SBATCH --signal=B:USR1@300) reaches the program, which ends its trials in its own time.
# Seen: the variable is about SIGINT alone. SIGUSR1 goes to Tune, which stops at once and returns as if all were done: the
#   trial is TERMINATED, like one that has finished, after a few of its 600 results. The program's handler is not called,
#   and is not put back.
# Matters to whoever reads the result of tune.run: it looks like that of a complete, shorter run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[tune]==2.60.0"
cd "$folder"
TUNE_DISABLE_SIGINT_HANDLER=1 RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import signal
import sys
import threading
import time

import ray
from ray import tune

heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append("SIGUSR1"))


def train(config):
    for _ in range(600):
        time.sleep(0.1)
        tune.report({"loss": 1.0})


class SendOnce(tune.Callback):
    sent = False

    def on_trial_result(self, *_, **__):
        if not self.sent:
            self.sent = True
            os.kill(os.getpid(), signal.SIGUSR1)


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
found = tune.run(train, callbacks=[SendOnce()], storage_path=sys.argv[1], verbose=0, resources_per_trial={"cpu": 1})
(trial,) = found.trials
n = trial.last_result["training_iteration"]
own = signal.getsignal(signal.SIGUSR1).__module__
print(f"ray {ray.__version__}: {trial.status} after {n} of 600 results; the program heard {heard}; handler now: {own}")
sys.exit(not (trial.status == "TERMINATED" and n < 600 and heard == [] and own != "__main__"))
PYTHON
