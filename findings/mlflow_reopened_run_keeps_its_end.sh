#!/usr/bin/env bash
# mlflow 3.17.2: a run that is opened again keeps the end of its first life.
#
# Guess: update_run(run_id, status="RUNNING") on a run that has ended clears its end time: it runs.
# Seen: the run is RUNNING with the end time of before, through the client and in searches; the next end
#   overwrites it. A duration taken as end - start is that of the first life as long as the run lives, and a
#   search for runs without an end time does not find it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - <<'PYTHON'
import sys

import mlflow
from mlflow import MlflowClient

client = MlflowClient("sqlite:///mlflow.db")
run_id = client.create_run("0", start_time=1_000).info.run_id
client.set_terminated(run_id, "KILLED", end_time=5_000)
client.update_run(run_id, status="RUNNING")
again = client.get_run(run_id).info
(found,) = client.search_runs(["0"], "attributes.status = 'RUNNING'")
print("mlflow", mlflow.__version__, "- status", again.status, "end time", again.end_time)
seen = (again.status, again.end_time, found.info.run_id == run_id, found.info.end_time)
client.set_terminated(run_id, "FINISHED", end_time=9_000)
print("after the second end:", client.get_run(run_id).info.end_time)
sys.exit(seen != ("RUNNING", 5_000, True, 5_000) or client.get_run(run_id).info.end_time != 9_000)
PYTHON
