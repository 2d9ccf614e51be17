"""MLflow's scoring server in this process: texts, failures of the model itself, and models of others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import uvicorn
from mlflow import pyfunc, sklearn
from mlflow.models import Model, infer_signature
from mlflow.pyfunc import scoring_server

from mlpf_hpo.predictors import intervals
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.tracking.served_predictor import save_model
from tests.curves.tables import some_curves

FRAME = some_curves(20, 4, seed=1).frame().assign(layers=["1", "2"] * 10, bias=[0.0, 1.0] * 10)
FRAME = FRAME[["lr", "dropout", "layers", "bias", *(f"loss_{epoch}" for epoch in range(4))]]


@pytest.fixture(scope="module")
def predictor() -> CurvePredictor:
    made = make_predictor("svr", PredictorsParams(), 0, (1, 2), folds=5)
    return made.fit(FRAME, FRAME["loss_3"])


class Client:
    """The scoring server for a model, in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        app = scoring_server.init(pyfunc.load_model(str(folder)))
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def post(self, **content: Any) -> requests.Response:
        return requests.post(f"http://127.0.0.1:{self.port}/invocations", timeout=60, **content)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def client(predictor: CurvePredictor, tmp_path: Path) -> Iterator[Client]:
    save_model(
        str(tmp_path / "model"),
        Model(),
        predictor=predictor,
        trusted=trusted_types(),
        input_example=FRAME.head(2),
        pip_requirements=["mlpf_hpo"],
    )
    started = Client(tmp_path / "model")
    yield started
    started.close()


def ask(client: Client, row: dict[str, Any]) -> Any:
    return client.post(json={"dataframe_records": [row]})


ROW = {**FRAME[["lr", "dropout", "layers", "bias"]].iloc[0].to_dict(), "loss_0": 2.0}


def test_texts_and_booleans(client: Client, predictor: CurvePredictor) -> None:
    (found,) = ask(client, ROW).json()["predictions"]
    expected = predictor.predict_interval(
        pd.DataFrame([{**ROW, "loss_1": None, "loss_2": None, "loss_3": None}])
    )
    assert found == {
        "prediction": expected.mean[0],
        "lower": expected.lower[0],
        "upper": expected.upper[0],
        "warning": None,
    }
    assert ask(client, {**ROW, "bias": False}).json()["predictions"] == [found]
    unknown = ask(client, {**ROW, "layers": "3"}).json()["predictions"][0]
    assert unknown["warning"] == "layers = 3 is none of the training's: 1, 2"
    refused = ask(client, {**ROW, "layers": 1})
    assert refused.status_code == 400
    assert refused.json()["message"] == "curves: row 1, hyperparameter layers: 1 is not a text, as others are"
    text = pd.DataFrame([ROW]).to_csv(index=False)
    answer = client.post(data=text, headers={"Content-Type": "text/csv"})
    assert answer.json()["predictions"] == [found], "1 is a text in a column of texts"


def test_an_epoch_that_must_be_observed_is_no_optional_column(client: Client) -> None:
    lacking = {name: value for name, value in ROW.items() if name != "loss_0"}
    assert "lacks the columns loss_0" in ask(client, lacking).json()["message"]
    assert "row 1 has 0 observed epochs" in ask(client, {**ROW, "loss_0": None}).json()["message"]


def test_open_bounds_are_null(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "LEAST_ERRORS", 10**6)  # of which there are too few for any bound
    (found,) = ask(client, ROW).json()["predictions"]
    assert found["upper"] is None
    assert found["lower"] == 0.0  # a loss that is positive in training has no value below
    assert found["prediction"] > 0.0


def test_a_defect_is_no_stack_trace_either(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(CurvePredictor, "predict_interval", fail)
    answer = ask(client, ROW)
    assert answer.status_code == 500
    assert answer.json()["message"] == "the model failed: RuntimeError('no luck'); the server's log has more"
    assert "stack_trace" not in answer.text
    assert "in fail" in caplog.text


def test_the_example_is_one_that_can_be_sent(client: Client, tmp_path: Path) -> None:
    example = (tmp_path / "model" / "serving_input_example.json").read_text()
    answer = client.post(data=example, headers={"Content-Type": "application/json"})
    assert len(answer.json()["predictions"]) == 2


def test_a_version_of_before_is_served_as_it_was(
    client: Client, predictor: CurvePredictor, tmp_path: Path
) -> None:
    """MLflow's own flavour, a signature taken from an example, and no ranges in the file."""
    old = make_predictor("svr", PredictorsParams(), 0, (1, 2), folds=5).fit(FRAME, FRAME["loss_3"])
    del old.ranges_
    known = FRAME.assign(loss_2=np.nan, loss_3=np.nan)
    signature = infer_signature(known, old.predict(known))
    folder = tmp_path / "old"
    sklearn.save_model(
        old,
        str(folder),
        serialization_format="skops",
        skops_trusted_types=trusted_types(),
        signature=signature,
        pip_requirements=["mlpf_hpo"],
    )
    other = Client(folder)
    rows = known.drop(columns=["loss_2", "loss_3"]).to_dict("records")
    whole = known.astype(object).where(known.notna(), None).to_dict("records")
    answer = other.post(json={"dataframe_records": whole})
    assert answer.json()["predictions"] == pytest.approx(predictor.predict(known).tolist(), rel=1e-12)
    refused = other.post(json={"dataframe_records": rows})
    assert "stack_trace" in refused.json(), "MLflow's own way with models that are not ours"
    other.close()
