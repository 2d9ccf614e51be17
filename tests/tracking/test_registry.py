"""The champion: stored as data, loaded elsewhere, never executed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from mlpf_hpo.errors import DataError, MissingInputError, TrackingError
from mlpf_hpo.integrations.host_scheduler import read_knowledge
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.load import load_registered
from mlpf_hpo.tracking.aliases import make_model, promote
from mlpf_hpo.tracking.registry import load_model, register_predictor

LOAD = """
import json, sys
import pandas as pd
from mlpf_hpo.registry.load import load_registered
predictor, version = load_registered(sys.argv[3], sys.argv[1])
print(json.dumps([float(v) for v in predictor.predict(pd.read_json(sys.argv[2]))]))
"""


MODEL = "curve-predictor-loss-5-epochs-0123abcd"


def curves() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    lr = np.exp(generator.uniform(-8, -4, 16))
    table = {"lr": lr, **{f"loss_{e}": 1 + 100 * lr + np.exp(-e) for e in range(5)}}
    return pd.DataFrame(table)


@pytest.mark.parametrize("reference", [f"{MODEL}@nobody", f"{MODEL}/99", "curve-predictor@champion"])
def test_what_is_not_registered_is_told(uri, writer, reference) -> None:
    with pytest.raises(MissingInputError, match=f"{reference}: not in the registry at {uri}"):
        load_registered(reference, uri)
    for name in ("mlpf@champion", "curve-predictor", "curve-predictor-x/@champion"):
        with pytest.raises(MissingInputError, match=r"neither curve-predictor-\.\.\.@ALIAS nor"):
            load_registered(name, uri)


def test_the_champion_predicts_the_same_in_another_process(
    uri, writer, open_trial, tmp_path: Path, monkeypatch
) -> None:
    frame = curves()
    predictor = make_predictor("svr", PredictorsParams(), 0, [0, 2]).fit(frame, frame["loss_4"])
    make_model(writer.client, MODEL, "what it is", {"n_epochs": "5"})
    version = register_predictor(
        writer.client,
        predictor,
        frame.head(3),
        model=MODEL,
        trusted=trusted_types(),
        run_id=open_trial.parent,
        digest="abc",
        dataset_path=tmp_path,
        metrics={"outer/spearman": 0.9},
        tags={"predictor": "svr"},
    )
    assert version.aliases == []
    assert version.tags["dataset_digest"] == "abc"
    promote(writer.client, version, "champion")
    registered = writer.client.get_registered_model(MODEL)
    assert (registered.aliases, registered.description) == ({"champion": version.version}, "what it is")
    frame.to_json(tmp_path / "frame.json", double_precision=15)
    out = subprocess.run(
        [sys.executable, "-c", LOAD, uri, str(tmp_path / "frame.json"), f"{MODEL}@champion"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    again = pd.read_json(tmp_path / "frame.json")
    assert eval(out.strip().splitlines()[-1]) == predictor.predict(again).tolist()  # noqa: S307 - our own list
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for last in ("@champion", f"/{version.version}"):  # as the prior of a script
        known = read_knowledge(f"models:/{MODEL}{last}", "min")
        assert known.predict(again).tolist() == predictor.predict(again).tolist()


class Foreign(BaseEstimator):
    """A type that nobody trusts."""


class Bomb:
    """Would run when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path(os.environ["BOMB"]),))


def test_foreign_types_are_refused(tmp_path: Path) -> None:
    skops.io.dump(Foreign(), tmp_path / "foreign.skops")
    with pytest.raises(DataError, match=r"not trusted, refused: .*Foreign"):
        load_model(tmp_path / "foreign.skops", trusted_types())


def test_a_pickle_is_not_executed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="damaged, or not a model of ours"):
        load_model(tmp_path / "model.skops", trusted_types())
    assert not (tmp_path / "exploded").exists()


def test_a_version_that_is_no_skops_file_is_refused(uri, writer, open_trial, monkeypatch) -> None:
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    with mlflow.start_run(run_id=open_trial.parent):
        info = mlflow.sklearn.log_model(
            model,
            name="m",
            serialization_format="cloudpickle",
            registered_model_name=MODEL,
            pip_requirements=[],
        )
    writer.client.set_registered_model_alias(MODEL, "pickled", str(info.registered_model_version))
    with pytest.raises(TrackingError, match="stored as cloudpickle, which could run code"):
        load_registered(f"{MODEL}@pickled", uri)
