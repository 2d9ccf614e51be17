"""Ctrl-C in stages that need only events before them, test_kills.py has others; and in `mlpf-hpo ui`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.interruptions import check_ctrl_c
from tests.interrupted_starts import WITH_PROC, interrupted

UI = """
from mlpf_hpo.tracking.server import serve_ui
return serve_ui("127.0.0.1", 0, on_ready=print)
"""


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["events", "benchmark"])
def test_ctrl_c_in_a_stage(stage, with_events, copy, measured) -> None:
    check_ctrl_c(copy(with_events), stage, measured)


@WITH_PROC
@pytest.mark.faults
def test_ctrl_c_while_the_interface_starts_is_its_end(empty_database: Path, tmp_path: Path, measured) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    ended = interrupted(UI, tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (ended.returncode, ended.stderr) == (0, "")
    measured("kills", "`mlpf-hpo ui`: Ctrl-C while MLflow's server starts", "it ends without a word")
