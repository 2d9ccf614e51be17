"""Files of somebody else in the place of ours: refused, and nothing that they bring is executed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import BaseEstimator

from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.files import SEAL, sealed, sha256, write_record
from mlpf_hpo.mlpf.training import train_trial
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.load import load_registered
from mlpf_hpo.registry.registration import register_winner
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tuning.checkpoints import save_checkpoint
from tests.faults.artefacts import events
from tests.faults.champion import Champion, champion

__all__ = ["champion"]

UNEXECUTED = "refused by name, its payload not executed"


class Bomb(BaseEstimator):
    """Makes a file when it is unpickled."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path(self.mark),))

    def predict(self, X: object) -> object:
        return X


@pytest.fixture
def bomb(tmp_path: Path) -> Bomb:
    """Return a bomb that works, as the test sees first."""
    made = Bomb(str(tmp_path / "exploded"))
    pickle.loads(pickle.dumps(made))
    assert Path(made.mark).exists(), "the payload runs where nothing stops it"
    Path(made.mark).unlink()
    return made


@pytest.mark.parametrize("kind", ["a pickle", "a skops file with foreign types"])
def test_a_model_file(kind: str, bomb: Bomb, tmp_path: Path, measured) -> None:
    models, record = tmp_path / "models", tmp_path / "predictors.json"
    models.mkdir()
    content = pickle.dumps(bomb) if kind == "a pickle" else skops.io.dumps(bomb)
    (models / "svr.skops").write_bytes(content)
    write_record(record, {"winner": "svr", "models": {"svr": sha256(models / "svr.skops")}})
    with pytest.raises(
        DataError, match=r"svr\.skops: (damaged, or not a model of ours|holds types that are not)"
    ):
        register_winner(PredictorsParams(), 42, TABLE_1, "champion", record, models, tmp_path / "none")
    assert not Path(bomb.mark).exists()
    measured(
        "damage",
        f"{kind} as a model file, with the right checksum on record",
        UNEXECUTED,
    )


def test_a_pickled_model_behind_the_alias(champion: Champion, bomb: Bomb, monkeypatch, measured) -> None:
    mlflow.set_tracking_uri(champion.uri)
    mlflow.set_registry_uri(champion.uri)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    with mlflow.start_run(run_id=champion.run_id):
        info = mlflow.sklearn.log_model(
            bomb,
            name="bomb",
            serialization_format="cloudpickle",
            registered_model_name=champion.model,
            pip_requirements=[],
        )
    client, version = connect(champion.uri), str(info.registered_model_version)
    client.set_model_version_tag(champion.model, version, "sha256", "0" * 64)
    client.set_registered_model_alias(champion.model, "foreign", version)
    with pytest.raises(TrackingError, match="stored as cloudpickle, which could run code"):
        load_registered(f"{champion.model}@foreign", champion.uri)
    assert not Path(bomb.mark).exists()
    measured(
        "damage",
        "a cloudpickle model behind the champion's alias",
        UNEXECUTED,
    )


def test_a_pickle_in_the_place_of_the_champion(champion: Champion, bomb: Bomb, measured) -> None:
    content = champion.file.read_bytes()
    champion.file.write_bytes(pickle.dumps(bomb))
    try:
        with pytest.raises(TrackingError, match="damaged: its checksum is not the one on record"):
            load_registered(champion.reference, champion.uri)
    finally:
        champion.file.write_bytes(content)
    assert not Path(bomb.mark).exists()
    measured(
        "damage",
        "a pickle written over the champion's file",
        UNEXECUTED,
    )


def test_a_checkpoint_that_is_a_pickle(bomb: Bomb, make_spec, tmp_path: Path, caplog, measured) -> None:
    # A folder each: within a tick of the file system's clock a checkpoint before would be as new.
    writers = {
        "plain": lambda path: path.write_bytes(pickle.dumps(bomb)),
        "archive": lambda path: torch.save({"callbacks": bomb}, path),
    }
    for kind, write in writers.items():
        folder = tmp_path / kind
        path = save_checkpoint(folder, 1, write)
        reports: list = []
        train_trial(make_spec(), 1, folder, reports.append)
        assert [report.epoch for report in reports] == [1], "trained from the beginning"
        assert str(path) in caplog.text
    assert not Path(bomb.mark).exists()
    measured(
        "damage",
        "a pickle as a checkpoint, with the right name and checksum",
        "passed over with a warning that names it, its payload not executed; the trial trains without it",
    )


def test_a_checkpoint_of_something_else(make_spec, tmp_path: Path, measured) -> None:
    save_checkpoint(tmp_path, 1, lambda path: torch.save([torch.ones(3)], path))
    with pytest.raises(DataError, match=r"epoch-00001-.*\.ckpt: not a checkpoint of a trial"):
        train_trial(make_spec(), 1, tmp_path, print)
    measured("damage", "a checkpoint of another program", "refused by name, with what to do")


@pytest.mark.parametrize("kind", ["somebody's Parquet", "no Parquet at all", "a text with Parquet's marks"])
def test_a_curves_table(kind: str, tmp_path: Path, measured) -> None:
    file = tmp_path / "curves.parquet"
    if kind == "somebody's Parquet":
        pd.DataFrame({"a": [1, 2]}).to_parquet(file)
    else:
        file.write_bytes(b"hello" if kind == "no Parquet at all" else b"PAR1" + b"x" * 99 + b"PAR1")
    with pytest.raises(DataError, match=r"curves\.parquet: .*make it again with: dvc repro -f -s curves"):
        read_curves(file)
    measured("damage", f"{kind} as the curves table", "refused by name, with what to do")


def test_pickled_objects_in_an_event_store(bomb: Bomb, tmp_path: Path, measured) -> None:
    store = write_store(tmp_path / "train", events(3), {})
    file = store.path / "features.npy"
    np.save(file, np.array([bomb], dtype=object), allow_pickle=True)
    record = {"sha256": sha256(file), "bytes": file.stat().st_size}
    manifest = {**store.manifest, "files": {**store.manifest["files"], file.name: record}}
    del manifest[SEAL]
    (store.path / "manifest.json").write_text(json.dumps(sealed(manifest)))
    with pytest.raises(DataError, match=r"features\.npy: damaged: .*Python objects"):
        EventStore.open(store.path)
    assert not Path(bomb.mark).exists()
    measured("damage", "pickled objects in an event store, with the right checksum", UNEXECUTED)
