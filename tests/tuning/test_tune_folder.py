"""Curves from folders that Ray Tune writes: stopped by a scheduler, failed and restored, killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves

NAN = float("nan")

THEIRS = """
import json, sys, tempfile
from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

folder = Path(sys.argv[1])


def train(config):
    start, checkpoint = 0, tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as at:
            start = json.loads((Path(at) / "epoch").read_text())
    for epoch in range(start, config["epochs"]):
        if config["opt"]["lr"] > 0.25 and epoch == 3 and not (folder / "failed").exists():
            (folder / "failed").touch()
            raise RuntimeError("broken")
        with tempfile.TemporaryDirectory() as at:
            (Path(at) / "epoch").write_text(json.dumps(epoch + 1))
            saved = tune.Checkpoint.from_directory(at) if epoch == 1 else None
            tune.report({"loss": config["opt"]["lr"] + 1 / (epoch + 1) + start}, checkpoint=saved)


def tuner(name, scheduler=None):
    space = {"opt": {"lr": tune.grid_search([0.1, 0.2, 0.3])}, "epochs": 6}
    return tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(max_concurrent_trials=1, scheduler=scheduler),
        run_config=tune.RunConfig(name=name, storage_path=str(folder), verbose=0),
    )


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
tuner("restored").fit()
tune.Tuner.restore(str(folder / "restored"), train, resume_errored=True).fit()
(folder / "failed").touch()
halving = ASHAScheduler(metric="loss", mode="min", max_t=6, grace_period=2, reduction_factor=3)
tuner("halved", halving).fit()
"""


def read(tmp_path: Path, *words: object):
    """Return the curves that a command writes, or its error."""
    out = tmp_path / "mine.parquet"
    done = CliRunner().invoke(app, ["curves", "from", "tune", *map(str, words), "--output", str(out)])
    if done.exit_code:
        assert not out.exists()
        return str(done.exception)
    curves = read_curves(out)
    out.unlink()
    return curves


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of two experiments."""
    found = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-c", THEIRS, str(found)]
    done = subprocess.run(command, cwd=found, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return found


@pytest.mark.ray
def test_an_experiment_that_was_restored(folder: Path, tmp_path: Path) -> None:
    """Its failed trial went on from the checkpoint after two epochs, and finished."""
    assert list((folder / "restored").glob("train_*/error.txt")), "which stays"
    curves = read(tmp_path, folder / "restored")
    expected = [[lr + 1 / (epoch + 1) for epoch in range(6)] for lr in (0.1, 0.2, 0.3)]
    expected[2] = [value + 2 * (epoch >= 2) for epoch, value in enumerate(expected[2])]
    np.testing.assert_allclose(curves.values, expected)
    assert curves.status.tolist() == ["finished"] * 3
    assert curves.resumed.tolist() == [0, 0, 1]
    assert curves.hyperparameters == ("opt/lr",)
    for file in folder.glob("restored/train_*/result.json"):
        file.rename(file.with_suffix(".away"))
    tables = read(tmp_path, folder / "restored")
    np.testing.assert_allclose(tables.values, expected)
    assert tables.resumed.tolist() == [0, 0, 1]


@pytest.mark.ray
def test_trials_that_a_scheduler_stopped_are_censored(folder: Path, tmp_path: Path) -> None:
    curves = read(tmp_path, folder / "halved")
    assert np.isfinite(curves.values).sum(axis=1).tolist() == [6, 2, 2]
    assert curves.status.tolist() == ["finished", "stopped", "stopped"]
    assert curves.censored.tolist() == [False, True, True]


def trial(folder: Path, lr: float, results: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps({"lr": lr}))
    (folder / "result.json").write_text("\n".join(results))


def test_folders_that_were_left_by_a_kill(tmp_path: Path) -> None:
    lines = [
        json.dumps({"training_iteration": i, "loss": 1 / i, "trial_id": "x", "done": False}) for i in (1, 2)
    ]
    trial(tmp_path / "exp/a", 0.1, lines)
    trial(tmp_path / "exp/b", 0.2, [*lines, '{"training_iter'])
    np.testing.assert_allclose(read(tmp_path, tmp_path / "exp").values, [[1, 0.5], [1, 0.5]])
    trial(tmp_path / "exp/c", 0.3, ["{}}", *lines])
    assert "result.json: line 1 is no result of Ray Tune" in read(tmp_path, tmp_path / "exp")
    (tmp_path / "exp/c/params.json").unlink()
    (tmp_path / "exp/c/result.json").write_text("\n".join(lines))
    assert "params.json: not there" in read(tmp_path, tmp_path / "exp")
    assert "no run has a metric los (did you mean loss?)" in read(
        tmp_path, tmp_path / "exp", "--metric", "los"
    )
    assert "holds no Ray Tune's result.json" in read(tmp_path, _empty(tmp_path))


def _empty(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"
