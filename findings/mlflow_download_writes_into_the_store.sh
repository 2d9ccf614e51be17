#!/usr/bin/env bash
# mlflow 3.17.2: downloading a registered model from a local store writes into the store.
#
# Guess: mlflow.artifacts.download_artifacts("models:/NAME/1") reads; the store's files stay as they are.
# Seen: where the artifacts are local files, the returned folder is the store's own, not a copy, and a file
#   `registered_model_meta` is new in it. So a checksum over a model's folder changes when somebody asks for it,
#   the folder must be writable to be read, and who edits what was "downloaded" edits the store.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient

uri = f"sqlite:///{Path('mlflow.db').resolve()}"
mlflow.set_tracking_uri(uri)
store = Path("store").resolve()
experiment = mlflow.create_experiment("models", artifact_location=store.as_uri())
client = MlflowClient(uri)
run = client.create_run(experiment)
model = Path("model")
model.mkdir()
(model / "MLmodel").write_text("flavors: {}\n")
client.log_artifacts(run.info.run_id, str(model), "model")
client.create_registered_model("m")
client.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id)


def files():
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


before = files()
got = Path(mlflow.artifacts.download_artifacts("models:/m/1")).resolve()
new = sorted(set(files()) - set(before))
print("mlflow", mlflow.__version__, "- in the store:", got.is_relative_to(store), "- new files:", [Path(n).name for n in new])
sys.exit(not (got.is_relative_to(store) and [Path(name).name for name in new] == ["registered_model_meta"]))
PYTHON
