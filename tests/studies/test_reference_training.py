"""The reference training: one run on record, whole after an interruption, truthful about its end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.networks.find_network import run_of
from mlpf_hpo.networks.trained_network import load_network
from mlpf_hpo.settings.parameter_file import read_parameters
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.store_writes import experiment_name
from mlpf_hpo.tuning.trial_reports import EpochReport
from studies.reference_training.params import ReferenceParams
from studies.reference_training.training import train_reference

STUDY = Path(__file__).parents[2] / "studies" / "reference_training"

WIDTHS = {"embedding_dim": 8, "class_head": [8], "charge_head": [8], "regression_head": [8]}


@pytest.fixture
def data(stores: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder with the study's samples."""
    for name, store in zip(("train", "ttbar"), stores, strict=True):
        shutil.copytree(store, tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.fixture
def database(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes an empty MLflow database the one that is tracked in."""

    def use(name: str) -> None:
        shutil.copy(empty_database, tmp_path / name)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / name}")

    use("mlflow.db")
    return use


def params(lr: float = 1e-3) -> ReferenceParams:
    return ReferenceParams.model_validate(
        {
            "epochs": 3,
            "configuration": {"lr": lr, "output_dim": 8, "bin_size": 8},
            "network": WIDTHS,
            "training": {"batch_events": 4, "threads": 1},
        }
    )


def statuses(kind: str) -> list[str]:
    client = connect()
    experiment = client.get_experiment_by_name(experiment_name("reference"))
    runs = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")
    return [run.info.status for run in runs]


def test_an_interrupted_training_goes_on_in_its_own_run_to_the_same_numbers(data: Path, database) -> None:
    folder = data.parent
    whole = train_reference(params(), data, folder / "s0", folder / "n0", lambda report: None)
    weights = load_network(folder / "n0")
    database("other.db")

    def interrupt(report: EpochReport) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_reference(params(), data, folder / "s1", folder / "n1", interrupt)
    assert statuses("trial") == statuses("reference") == ["KILLED"]
    assert not (folder / "n1").exists()
    epochs: list[int] = []
    record = train_reference(
        params(), data, folder / "s1", folder / "n1", lambda report: epochs.append(report.epoch)
    )
    assert epochs == [1, 2, 3]
    assert statuses("trial") == statuses("reference") == ["FINISHED"]
    for name in ("train/loss", "val/loss"):
        assert [epoch[name] for epoch in record["epochs"]] == [epoch[name] for epoch in whole["epochs"]]
    trained = load_network(folder / "n1")
    for name, value in weights.network.state_dict().items():
        assert value.equal(trained.network.state_dict()[name]), name
    run = run_of(trained)
    points = connect().get_metric_history(run.run_id, "val/loss")
    assert [(point.step, point.value) for point in points] == [
        (step, epoch["val/loss"]) for step, epoch in enumerate(record["epochs"], 1)
    ]


def test_a_diverged_training_is_told_and_keeps_no_network(data: Path, database) -> None:
    folder = data.parent
    with pytest.raises(DataError, match=r"diverged in epoch \d: lower configuration.lr"):
        train_reference(params(lr=1e12), data, folder / "state", folder / "network", lambda report: None)
    assert statuses("trial") == ["FAILED"]
    assert not (folder / "network").exists()


def test_the_shipped_parameters_are_the_defaults_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    assert read_parameters(ReferenceParams, STUDY / "params.yaml", "the project folder") == ReferenceParams()
    with pytest.raises(MissingInputError, match="run this in the project folder"):
        read_parameters(ReferenceParams, tmp_path / "params.yaml", "the project folder")
    (tmp_path / "params.yaml").write_text("events: {ttbra: 3}")
    with pytest.raises(ConfigurationError, match=r"events.ttbra: unknown key \(did you mean ttbar\?\)"):
        read_parameters(ReferenceParams, tmp_path / "params.yaml", "the project folder")


def test_a_switch_is_no_number_of_epochs(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("epochs: yes")
    with pytest.raises(ConfigurationError, match="epochs: true is no number or name"):
        read_parameters(ReferenceParams, tmp_path / "params.yaml", "the project folder")


def test_samples_share_no_seed() -> None:
    seeds = {ReferenceParams().sample_seed(name) for name in ("train", "ttbar", "qcd")}
    assert len(seeds) == 3


def kept_with(run_id: str) -> Path:
    run = connect().get_run(run_id)
    return Path(run.info.artifact_uri.removeprefix("file://")) / run.data.tags["network"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_state_that_is_gone_is_taken_from_the_run_or_made_again(kept: bool, data: Path, database) -> None:
    folder = data.parent
    first: list[EpochReport] = []
    whole = train_reference(params(), data, folder / "state", folder / "network", first.append)
    run = run_of(load_network(folder / "network"))
    artifact = kept_with(run.run_id)
    points = connect().get_metric_history(run.run_id, "val/loss")
    if not kept:
        artifact.unlink()
    shutil.rmtree(folder / "state")
    second: list[EpochReport] = []
    record = train_reference(params(), data, folder / "state", folder / "network", second.append)
    moments = [[report.timestamp_ms for report in reports] for reports in (first, second)]
    assert (moments[0] == moments[1]) is kept, "trained only where it is gone"
    for name in ("train/loss", "val/loss"):
        assert [epoch[name] for epoch in record["epochs"]] == [epoch[name] for epoch in whole["epochs"]]
    assert kept_with(run.run_id).read_bytes() == load_network(folder / "network").path.read_bytes()
    after = connect().get_metric_history(run.run_id, "val/loss")
    assert [(p.step, p.value, p.timestamp) for p in after] == [(p.step, p.value, p.timestamp) for p in points]
    assert statuses("trial") == ["FINISHED"]
