"""The champion behind MLflow's own model server, asked over HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.registry.load import load_registered
from tests.faults.champion import Champion, champion
from tests.tracking.servers import ModelServer

__all__ = ["champion"]


@pytest.fixture(scope="module")
def server(champion: Champion, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    model_server = ModelServer(
        f"models:/{champion.reference}", champion.uri, tmp_path_factory.mktemp("server")
    )
    model_server.start()
    yield model_server
    model_server.kill()


def ask(server: ModelServer, frame: pd.DataFrame) -> Any:
    """Return what the server makes of a table."""
    content = json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split", double_precision=15))})
    request = urllib.request.Request(  # noqa: S310
        f"{server.uri}/invocations", content.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)["predictions"]


def test_partial_curves_are_predicted(server: ModelServer, champion: Champion) -> None:
    predictor, _ = load_registered(champion.reference, champion.uri)
    known_from_0 = champion.frame.copy()
    known_from_0[[name for name in known_from_0 if name.startswith("loss")]] = np.nan
    for frame in (champion.frame, known_from_0):
        assert ask(server, frame) == pytest.approx(predictor.predict(frame).tolist(), rel=1e-12)


def test_a_table_without_a_hyperparameter_is_reported(server: ModelServer, champion: Champion) -> None:
    missing = champion.frame.columns[0]
    with pytest.raises(HTTPError) as raised:
        ask(server, champion.frame.drop(columns=missing))
    assert raised.value.code == 400
    assert missing in raised.value.read().decode()
