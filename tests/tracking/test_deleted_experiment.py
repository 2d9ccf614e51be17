"""An experiment that was deleted in MLflow: the command that the message names brings it back."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.store_writes import StoreWrites


def test_the_command_brings_it_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = connect()
    number = StoreWrites(client).experiment_id("campaign")
    client.delete_experiment(number)
    with pytest.raises(TrackingError, match="was deleted in MLflow") as refused:
        StoreWrites(client).experiment_id("campaign")
    program, *arguments = shlex.split(str(refused.value).partition("with: ")[2])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-m", program, *arguments], env=environment, check=True)
    assert StoreWrites(connect()).experiment_id("campaign") == number
