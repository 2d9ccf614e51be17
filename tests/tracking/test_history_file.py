"""A file with a run's metrics is used while it is the run's, and never otherwise; through a real server."""

from __future__ import annotations

import math
import shutil

import pytest

from mlpf_hpo.tracking import history_file, history_keeper, metric_history, reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.history_file import CHECKSUM, FILE
from mlpf_hpo.tracking.writer import RunWriter
from tests.tracking.conftest import CONFIGURATION
from tests.tracking.servers import MlflowServer
from tests.tuning.conftest import empty_database

__all__ = ["empty_database"]

EPOCHS = 8


@pytest.fixture(autouse=True)
def short_is_worth_it(monkeypatch) -> None:
    """Let a run of so few epochs have a file, but one metric of it be had point by point."""
    for module in (history_file, history_keeper):
        monkeypatch.setattr(module, "WORTH", EPOCHS + 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory, empty_database):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "mlflow.db")
    found = MlflowServer(f"sqlite:///{folder / 'mlflow.db'}", folder)
    found.start()
    yield found
    found.kill()


@pytest.fixture(scope="module")
def writer(server) -> RunWriter:
    return RunWriter(connect(server.uri))


def metrics_at(epoch: int) -> dict[str, float]:
    values = {"val/loss": 1 / epoch, "train/loss": math.inf if epoch == 7 else epoch / 3, "odd": math.nan}
    return values if epoch % 2 else {name: value for name, value in values.items() if name != "odd"}


@pytest.fixture
def opened(writer, request):
    """Return the campaign of this test, and the run of its one trial with all of its epochs."""
    campaign = request.node.name
    parent = writer.open_parent("campaign", campaign, campaign, {}, {}, "")
    run_id = writer.open_trial(parent, "campaign", campaign, "t000", "k0", CONFIGURATION, seed=1)
    for epoch in range(1, EPOCHS + 1):
        writer.log_epoch(run_id, epoch, metrics_at(epoch), 1000 * epoch)
    return campaign, run_id


def read(writer: RunWriter, campaign: str):
    (trial,) = reader.trials(writer.client, "campaign", campaign)
    return trial


def expected(epochs: int = EPOCHS) -> dict[str, list[float]]:
    logged = [metrics_at(epoch) for epoch in range(1, epochs + 1)]
    columns = {name: [at.get(name, math.nan) for at in logged] for name in ("val/loss", "train/loss")}
    return {**columns, "odd": [math.nan] * (epochs - 1 + epochs % 2)}


def assert_whole(trial, epochs: int = EPOCHS) -> None:
    assert trial.metrics.keys() == expected().keys()
    for name, values in expected(epochs).items():
        assert list(trial.metrics[name]) == pytest.approx(values, rel=0, nan_ok=True)
    assert trial.timestamps == tuple(map(float, range(1, epochs + 1)))


@pytest.fixture
def asked(monkeypatch):
    """Return the questions for points, which still are answered."""
    found = []
    original = metric_history._ask

    def ask(client, store, run_ids, name):
        found.append(name)
        return original(client, store, run_ids, name)

    monkeypatch.setattr(metric_history, "_ask", ask)
    return found


def test_curves_come_from_the_file_once_the_run_has_ended(writer, opened, asked) -> None:
    campaign, run_id = opened
    assert_whole(read(writer, campaign))
    assert sorted(asked) == ["odd", "train/loss", "val/loss"], "no file yet"
    writer.close(run_id, "finished")
    asked.clear()
    assert_whole(read(writer, campaign))
    assert asked == []
    (few,) = reader.trials(writer.client, "campaign", campaign, metrics=["val/loss"])
    assert few.metrics == {"val/loss": tuple(expected()["val/loss"])}
    assert asked == ["val/loss"], "so few points are sooner had as such"


@pytest.mark.parametrize("fault", ["damaged", "gone"])
def test_a_file_that_is_damaged_or_gone_is_not_used(server, writer, opened, asked, fault: str) -> None:
    campaign, run_id = opened
    writer.close(run_id, "finished")
    (file,) = server.folder_of_files.glob(f"*/{run_id}/artifacts/{FILE}")
    if fault == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b"0.5", b"0.6"))
    assert_whole(read(writer, campaign))
    assert asked


def test_a_run_that_goes_on_is_read_whole(server, writer, opened, asked) -> None:
    """Another driver goes on: it knows of no epoch, so that the second file has what MLflow has."""
    campaign, run_id = opened
    writer.close(run_id, "killed")
    later = RunWriter(connect(server.uri))
    parent = later.open_parent("campaign", campaign, campaign, {}, {}, "")
    assert later.open_trial(parent, "campaign", campaign, "t000", "k0", CONFIGURATION, seed=1) == run_id
    for epoch in (EPOCHS, EPOCHS + 1):  # the first of them is on record, and stays
        later.log_epoch(run_id, epoch, metrics_at(epoch), 1000 * epoch)
    assert_whole(read(writer, campaign), EPOCHS + 1)
    assert asked
    later.close(run_id, "finished")
    asked.clear()
    assert_whole(read(writer, campaign), EPOCHS + 1)
    assert asked == []


def test_a_server_without_a_place_for_files_takes_the_end_of_a_run(
    writer, opened, monkeypatch, caplog
) -> None:
    campaign, run_id = opened
    keeper = RunWriter(writer.client)

    def refuse(*_):
        raise PermissionError("read-only bucket")

    monkeypatch.setattr(writer.client, "log_text", refuse)
    keeper.close(run_id, "finished")
    assert "curves are read slowly: read-only bucket" in caplog.text
    run = writer.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert CHECKSUM not in run.data.tags
    assert_whole(read(writer, campaign))


def test_a_short_run_has_no_file(writer, opened, monkeypatch) -> None:
    monkeypatch.setattr(history_keeper, "WORTH", 3 * EPOCHS)
    writer.close(opened[1], "finished")
    assert CHECKSUM not in writer.client.get_run(opened[1]).data.tags
