"""Physics validation of a trained trial: headline numbers, figures, and the files in its MLflow run."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.mlpf.network import MLPF
from mlpf_hpo.networks.trained_network import TrainedNetwork
from mlpf_hpo.reporting.physics import record_validation, validate_network
from mlpf_hpo.reporting.physics_figures import FIGURES, SHOWN, efficiency
from mlpf_hpo.reporting.physics_table import HEADER, describe_about, summary_metrics, table_rows
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.run_lookup import runs_of_trial
from mlpf_hpo.tracking.writer import RunWriter

CONFIGURATION = {
    "lr": 1e-3,
    "n_glayers_id": 1,
    "n_glayers_reg": 0,
    "dropout": 0.1,
    "bin_size": 8,
    "output_dim": 8,
    "weight_decay": 1e-4,
}


@pytest.fixture(scope="module")
def trained() -> TrainedNetwork:
    network = NetworkParams(
        embedding_dim=4, hash_columns=8, class_head=(4,), charge_head=(4,), regression_head=(4,)
    )
    return TrainedNetwork(
        path=Path("c.ckpt"),
        trial_key="0123456789abcdef",
        epoch=3,
        validation_loss=1.0,
        configuration=CONFIGURATION,
        training=TrainingParams(),
        trained_on={"process": "ttbar", "n_events": 64, "pileup": 0.0},
        network=MLPF.configured(CONFIGURATION, network),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    generator = np.random.default_rng(0)
    events = []
    for number in range(3):
        pid = generator.integers(0, 4, 20)
        pt, eta = generator.lognormal(1, 1, 20), generator.normal(0, 2, 20)
        targets = np.column_stack([pid, pid % 2, pt, eta, np.zeros(20), np.ones(20), pt * np.cosh(eta)])
        targets[pid == 0] = 0
        features = np.zeros((20, 12))
        features[:, 0] = generator.integers(1, 3, 20)
        features[:, 1:6] = targets[:, 2:]
        jets = np.array([[9.0, 0.0, 0.0, 1.0]])
        arrays = [array.astype(np.float32) for array in (features, targets, targets, jets, np.ones(2))]
        events.append(Event(*arrays[:3], number, "qcd", 0.0, *arrays[3:]))
    return write_store(tmp_path_factory.mktemp("validated") / "store", events, {})


def test_the_run_keeps_table_figures_and_headlines(trained, store, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    writer = RunWriter(connect())
    parent = writer.open_parent("campaign", "c1", "campaign-c1", {}, {}, "a note")
    run_id = writer.open_trial(parent, "campaign", "c1", "t007", trained.trial_key, CONFIGURATION, 7)
    writer.close(run_id, "finished")
    (run,) = runs_of_trial(writer.client, trained.trial_key)
    validation_result = validate_network(trained, store, run)
    assert validation_result.about["trial"] == "t007"
    links = record_validation(validation_result, run, tmp_path / "out")
    assert run_id in links
    assert str(tmp_path / "out") in links
    kept = {file.path for file in writer.client.list_artifacts(run_id, "physics/figures")}
    assert len(kept) == len(FIGURES)
    assert {file.name for file in (tmp_path / "out" / "figures").iterdir()} == {
        Path(path).name for path in kept
    }
    again = ValidationResult.read(Path(writer.client.download_artifacts(run_id, "physics", str(tmp_path))))
    assert table_rows(again) == table_rows(ValidationResult.read(tmp_path / "out"))
    after = writer.client.get_run(run_id)
    assert after.info.status == "FINISHED"
    for name, value in summary_metrics(validation_result).items():
        assert after.data.metrics[f"summary/{name}"] == value


def test_without_a_run_it_is_said_that_nothing_was_logged(trained, store, tmp_path) -> None:
    validation_result = validate_network(trained, store)
    assert validation_result.about["trial"] == trained.trial_key
    assert "not on record, nothing was logged" in record_validation(validation_result, None, None)
    assert not list(tmp_path.iterdir())


def test_the_table_says_what_there_is_to_say(validation_result: ValidationResult) -> None:
    table = {line[0]: line for line in table_rows(validation_result)}
    assert all(len(line) == len(HEADER) for line in table.values())
    (row,) = validation_result.find("efficiency", "photon")
    e = row.mlpf
    assert table["photon: efficiency"][3] == f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"
    assert table["muon: efficiency"][1:] == ("0", "", "-", "-", "-"), "a class that the sample has not"
    assert table["jets per event"][2] == "1"
    metrics = summary_metrics(validation_result)
    assert metrics["physics_photon_efficiency"] == e.value
    assert metrics["physics_photon_efficiency_ycand"] == row.ycand.value
    assert all(math.isfinite(value) for value in metrics.values())
    assert not any("muon" in name and "per_event" not in name for name in metrics)


def test_what_to_expect_depends_on_the_training(validation_result: ValidationResult) -> None:
    assert "64 ttbar events, PU 0: with so few, it is expected to lose" in describe_about(validation_result)
    trained_on = {"process": "ttbar", "n_events": 40_000, "pileup": 200.0}
    many = dataclasses.replace(validation_result, about={**validation_result.about, "trained_on": trained_on})
    assert "on 40000 ttbar events, PU 200. Intervals" in describe_about(many)
    published = dataclasses.replace(
        validation_result, about={**validation_result.about, "reference": "targets"}
    )
    assert "compared with those of the targets" in describe_about(published)
    assert "compared with" not in describe_about(validation_result)


def test_every_figure_says_what_it_shows(validation_result: ValidationResult) -> None:
    """Sample, events and pile-up in the picture; the network and its training in the caption."""
    panels = [make(validation_result) for make in FIGURES]
    assert len({panel.name for panel in panels}) == len(FIGURES) > len(SHOWN)
    for panel in panels:
        words = [legend.get_title().get_text() for legend in panel.figure.legends]
        words.append(panel.figure.get_suptitle())
        assert "QCD, 14 TeV, 6 events, PU 0" in words, panel.name
        assert "trial t000 after 4 epochs on 64 ttbar events" in panel.caption
        assert all(axis.get_ylabel() or axis.get_title() for axis in panel.figure.axes)


def drawn(axis, colour: str) -> list[tuple[float, float, float]]:
    """Return value, low and high of the points of a colour."""
    out = []
    for container in axis.containers:
        line, _, bars = container.lines
        if line.get_color() == colour and len(line.get_ydata()):
            heights = [segment[:, 1] for segment in bars[-1].get_segments()]
            out += [(y, low, high) for y, (low, high) in zip(line.get_ydata(), heights, strict=True)]
    return out


def test_points_are_those_of_the_table(validation_result: ValidationResult) -> None:
    figure = efficiency(validation_result).figure
    above, below = figure.axes[4:6]
    assert above.get_title() == "neutral hadrons"
    rows = validation_result.find("efficiency", "neutral hadron", "pt")
    assert len(rows) > 3
    for name, colour in (("mlpf", "#3b82c4"), ("ycand", "#e08214")):
        expected = [tuple(getattr(row, name)) for row in rows]
        assert np.array(drawn(above, colour)) == pytest.approx(np.array(expected))
    ratios = np.array([tuple(row.ratio) for row in rows])
    assert np.array(drawn(below, "#3b82c4"))[:, 0] == pytest.approx(ratios[:, 0], nan_ok=True)
