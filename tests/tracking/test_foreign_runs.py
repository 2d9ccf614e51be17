"""Curves of somebody's MLflow experiment: nested, resumed, failed and stopped runs, and MLflow's own CSV."""

from __future__ import annotations

import csv
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.storage_errors import database_file

NAN = float("nan")


def read(tmp_path: Path, *words: object):
    """Return the curves that a command writes, or its error."""
    out = tmp_path / "mine.parquet"
    done = CliRunner().invoke(app, ["curves", "from", *map(str, words), "--output", str(out)])
    if done.exit_code:
        assert not out.exists()
        assert "\n" not in str(done.exception)
        return str(done.exception)
    curves = read_curves(out)
    out.unlink()
    return curves


def log_runs(client: MlflowClient) -> str:
    """Return the id of an experiment of nested runs; they are logged as users log them."""
    found = client.create_experiment("their trainings")
    parent = client.create_run(found, run_name="sweep").info.run_id
    client.log_metric(parent, "val_loss", 0.1)
    ends = {"a": "FINISHED", "b": "FAILED", "c": "KILLED", "d": "RUNNING", "e": "FINISHED", "f": "FINISHED"}
    for number, (name, end) in enumerate(ends.items()):
        run = client.create_run(found, tags={"mlflow.parentRunId": parent}, run_name=name).info.run_id
        given = {"lr": 0.1 * (number + 1), "opt": "adam" if number % 2 else "sgd", "out": f"results/{name}"}
        for key, value in {**given, "layers": 3}.items():
            client.log_param(run, key, value)
        steps = {"a": [0, 1, 2, 3], "e": [0, 1, 2, 1, 2, 3], "f": [0, 1, 2]}.get(name, [0, 1])
        for moment, step in enumerate(steps):
            value = NAN if (name, step) == ("f", 2) else 10 * number + step + moment / 100
            client.log_metric(run, "val_loss", value, step=step, timestamp=1000 + moment)
        client.log_metric(run, "test/loss", number)
        if end != "RUNNING":
            client.set_terminated(run, end)
    client.create_run(found, tags={"mlflow.parentRunId": parent}, run_name="unfinished")
    mistake = client.create_run(found, run_name="mistake").info.run_id
    client.log_metric(mistake, "val_loss", 99.0)
    client.delete_run(mistake)
    return found


@pytest.fixture(scope="module")
def experiment(uri: str) -> str:
    return log_runs(connect(uri))


@pytest.fixture
def database(uri: str) -> Path:
    return database_file(uri)


ASKED = ("--experiment", "their trainings", "--metric", "val_loss")


def test_runs_of_an_experiment(tmp_path, database, experiment) -> None:
    before = database.read_bytes()
    curves = read(tmp_path, "mlflow", database, *ASKED)
    assert database.read_bytes() == before
    order = np.argsort(curves.configs["lr"])
    curves = curves.select(order)
    expected = [
        [0, 1.01, 2.02, 3.03],
        [10, 11.01, NAN, NAN],
        [20, 21.01, NAN, NAN],
        [30, 31.01, NAN, NAN],
        [40, 41.03, 42.04, 43.05],
        [50, 51.01, NAN, NAN],
    ]
    np.testing.assert_allclose(curves.values, expected)
    assert curves.status.tolist() == ["finished", "failed", "stopped", "running", "finished", "diverged"]
    assert curves.censored.tolist() == [False, True, True, True, False, False]
    assert curves.resumed.tolist() == [0, 0, 0, 0, 1, 0]
    assert set(curves.hyperparameters) == {"lr", "opt", "out"}
    assert curves.left_out == {"layers": "the same in every run"}
    assert dict(curves.left_out_rows) == {"parent of nested runs": 1, "no value of val_loss": 1}
    assert all(curves.run_ids)
    few = read(tmp_path, "mlflow", database, *ASKED, "--filter", "params.opt = 'adam'", "--param", "lr")
    assert sorted(few.configs["lr"]) == [0.2, 0.4, 0.6000000000000001]


def test_a_folder_is_read_as_a_database_is(tmp_path, database, experiment, monkeypatch) -> None:
    """Its files are written by MLflow's own store, which only opens them if a variable allows it."""
    folder = tmp_path / "mlruns"
    with monkeypatch.context() as allowed:
        allowed.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        log_runs(MlflowClient(folder.as_uri()))
    (folder / ".trash").rmdir()
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    condition = "params.opt = 'adam' and metrics.`test/loss` < 5 and tags.`mlflow.runName` != 'a'"
    for more in ([], ["--filter", condition, "--param", "lr"]):
        found, wanted = (read(tmp_path, "mlflow", where, *ASKED, *more) for where in (folder, database))
        orders = [np.argsort(curves.configs["lr"]) for curves in (found, wanted)]
        found, wanted = found.select(orders[0]), wanted.select(orders[1])
        np.testing.assert_array_equal(found.values, wanted.values)
        assert found.configs.equals(wanted.configs)
        assert found.status.tolist() == wanted.status.tolist()
        assert found.left_out_rows == wanted.left_out_rows
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert not (folder / ".trash").exists()
    point = next(folder.glob("*/*/metrics/test/loss"))
    point.write_text("now 1.0\n")
    assert f"{point}: line 1 is no point of a metric: now 1.0" in read(tmp_path, "mlflow", folder, *ASKED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--experiment", "their traings"), "no experiment their traings (did you mean their trainings?)"),
        (("--experiment", "their trainings", "--metric", "val_los"), "val_los (did you mean val_loss?)"),
        ((*ASKED, "--filter", "params.opt = 'lion'"), "no run that fits --filter params.opt = 'lion'"),
        ((*ASKED, "--filter", "opt is adam"), "refuses --filter opt is adam"),
        ((*ASKED, "--param", "lrr"), "no column 'lrr' (did you mean lr?)"),
    ],
)
def test_what_is_not_there(tmp_path, database, experiment, words, message) -> None:
    assert message in read(tmp_path, "mlflow", database, *words)


def test_stores_that_are_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "no such file; wanted is MLflow's database" in read(tmp_path, "mlflow", tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE books (title TEXT)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    assert "but not MLflow's: its tables are books" in read(tmp_path, "mlflow", tmp_path / "other.db")
    assert (tmp_path / "other.db").read_bytes() == before
    assert "no folder of MLflow's runs" in read(tmp_path, "mlflow", tmp_path)
    away = read(tmp_path, "mlflow", "http://127.0.0.1:9")
    assert away.startswith("MLflow cannot be reached at http://127.0.0.1:9")
    assert away.endswith("; start the server, or correct its address")
    assert "cannot be reached" in read(tmp_path, "mlflow", "postgresql+psycopg://127.0.0.1:9/none")


def test_a_chart_beside_mlflows_own_table_of_runs(tmp_path, uri, experiment) -> None:
    """The table by MLflow's command; the chart in the layout of its page, which a browser alone writes."""
    table, chart = tmp_path / "runs.csv", tmp_path / "chart.csv"
    command = [sys.executable, "-m", "mlflow", "experiments", "csv", "-x", experiment, "-o", str(table)]
    subprocess.run(command, env={"MLFLOW_TRACKING_URI": uri, "PATH": ""}, check=True, capture_output=True)
    client = MlflowClient(uri)
    with chart.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["Run", "Run ID", "metric", "step", "timestamp", "value"])
        for run in client.search_runs([experiment], "params.opt = 'adam'"):
            for point in client.get_metric_history(run.info.run_id, "val_loss"):
                rows.writerow(
                    [run.info.run_name, run.info.run_id, "val_loss", point.step, point.timestamp, point.value]
                )
    curves = read(tmp_path, "mlflow-csv", chart, "--runs", table)
    direct = read(tmp_path, "mlflow", database_file(uri), *ASKED, "--filter", "params.opt = 'adam'")
    assert sorted(map(tuple, np.nan_to_num(curves.values))) == sorted(
        map(tuple, np.nan_to_num(direct.values))
    )
    assert set(curves.hyperparameters) == {"lr", "out"}
    assert sorted(curves.status) == sorted(direct.status)
    assert "a table of runs has not" in read(tmp_path, "mlflow-csv", table, "--runs", table)
