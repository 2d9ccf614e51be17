"""How things stand: before anything has run, where there is no DVC, and with a real repository."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.files import write_record
from mlpf_hpo.registry.champion import RECORD
from mlpf_hpo.reporting.champion_state import champion_state
from mlpf_hpo.reporting.stages import stage_states
from mlpf_hpo.reporting.status import gather
from mlpf_hpo.tracking.catch_up import journal_folder
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.journal import Confirmed, Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tracking.overview import Champion
from mlpf_hpo.tracking.writer import RunWriter

PIPELINE = """
stages:
  first: {cmd: cp a b, deps: [a], outs: [b]}
  second: {cmd: cp b c, deps: [b], outs: [c], params: [size]}
  asked: {cmd: cp b d, deps: [b], outs: [d], always_changed: true}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a DVC repository with two stages that have run."""
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("size: 1\n")
    (tmp_path / "a").write_text("one")
    for command in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_stages_as_dvc_sees_them(repository: Path) -> None:
    done = "up to date"
    assert stage_states(repository) == {"first": done, "second": done, "asked": done}
    (repository / "a").write_text("two")
    (repository / "params.yaml").write_text("size: 2\n")
    assert stage_states(repository) == {"first": "stale: a", "second": "stale: size", "asked": done}
    (repository / "b").unlink()
    assert stage_states(repository)["first"] == "not run yet"
    assert stage_states(repository)["asked"] == "stale: b"


def test_a_champion_of_now_is_not_the_one_of_then(tmp_path: Path) -> None:
    file, model = tmp_path / RECORD, "curve-predictor-val-loss-5-epochs-0123abcd"
    file.parent.mkdir()
    write_record(file, {"model": model, "alias": "champion", "version": "2"})
    at = {"predictor": "svr", "digest": "d", "source": "s", "link": "", "run_link": ""}
    other = Champion(model=f"{model}x", alias="champion", version="2", **at)
    for version, state in (("2", "up to date"), ("3", f"stale: {model}@champion is version 3 now")):
        here = Champion(model=model, alias="champion", version=version, **at)
        assert champion_state(tmp_path, [other, here]) == state
    assert champion_state(tmp_path, [other]) == f"stale: {model}@champion is gone"
    file.write_text("{}")
    assert champion_state(tmp_path, [other]).startswith(f"stale: {file}: damaged")


def test_a_prior_that_has_changed_makes_the_champions_stage_stale(tmp_path: Path) -> None:
    """Files are named from the project's folder, wherever the command is called."""
    prior, record = tmp_path / "prior.csv", tmp_path / RECORD
    record.parent.mkdir()
    prior.write_text("one")
    champion = {"model": "m", "alias": "champion", "version": "2"}
    write_record(record, {**champion, "priors": {"prior.csv": sha256(b"one").hexdigest()}})
    at = {"predictor": "svr", "digest": "d", "source": "s", "link": "", "run_link": ""}
    here = [Champion(**champion, **at)]
    assert champion_state(tmp_path, here) == "up to date"
    prior.write_text("two")
    assert champion_state(tmp_path, here) == "stale: prior.csv"
    prior.unlink()
    assert champion_state(tmp_path, here).startswith(f"stale: {prior}: cannot be read")


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no pipeline; run this in the project's folder"):
        stage_states(tmp_path)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    with pytest.raises(DataError, match=r"dvc status: .*not inside of a DVC repository"):
        stage_states(tmp_path)


def test_before_anything_has_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    text = gather(tmp_path).text()
    assert "none yet: run `make repro`" in text
    assert "not known: " in text
    assert not list(tmp_path.iterdir()), "asking makes nothing"


def test_runs_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    writer = RunWriter(connect())
    writer.open_parent("campaign", "abc", "campaign-abc", {}, {}, "a note")
    status = gather(tmp_path)
    assert "campaign-abc: no trials" in status.text()
    assert "running, driven by process" in status.text()
    assert json.loads(json.dumps(status.record()))["on_record"]["work"][0]["alive"] is True


def test_what_waits_for_mlflow_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    journal = Journal(journal_folder() / "c.jsonl")
    journal.append(LogMetrics("c/k3", "t003", 4, {"val/loss": 1.0}, 0))
    Confirmed(journal, "http://tracking:5000").advance(0)
    (line,) = (line for line in gather(tmp_path).text().splitlines() if "waits for MLflow" in line)
    assert "1 epoch of 1 run (t003: 4) for http://tracking:5000; send with: mlpf-hpo tracking send" in line
