"""The champion behind MLflow's own model server, asked over HTTP."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import get_model_info

from mlpf_hpo.registry.load import load_registered
from mlpf_hpo.tracking.client import connect
from tests.faults.champion import Champion, champion
from tests.tracking.servers import ModelServer

__all__ = ["champion"]

JSON, CSV = "application/json", "text/csv"


@pytest.fixture(scope="module")
def server(champion: Champion, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    model_server = ModelServer(
        f"models:/{champion.reference}", champion.uri, tmp_path_factory.mktemp("server")
    )
    model_server.start()
    yield model_server
    model_server.kill()


def send(server: ModelServer, content: bytes, kind: str | None = JSON) -> bytes:
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(f"{server.uri}/invocations", content, headers)  # noqa: S310
    if kind is None:
        request.add_unredirected_header("Content-Type", "")
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return answer.read()


def split(frame: pd.DataFrame) -> bytes:
    return json.dumps(
        {"dataframe_split": json.loads(frame.to_json(orient="split", double_precision=15))}
    ).encode()


def strictly(text: bytes) -> Any:
    """Return JSON, which has no NaN and no infinities."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def ask(server: ModelServer, frame: pd.DataFrame) -> pd.DataFrame:
    """Return what the server makes of a table."""
    return pd.DataFrame(strictly(send(server, split(frame)))["predictions"])


def refusal(server: ModelServer, content: bytes, kind: str | None = JSON) -> tuple[int, str]:
    """Return status and message of a refusal."""
    with pytest.raises(HTTPError) as raised:
        send(server, content, kind)
    text = raised.value.read().decode()
    assert "Traceback" not in text
    assert "stack_trace" not in text
    try:
        message = json.loads(text)["message"]
    except ValueError:
        message = text
    assert "\n" not in message
    assert not re.search(r"\. [A-Z]", message), "one sentence"
    assert len(message) < 250
    return raised.value.code, message


def test_partial_curves_are_predicted(server: ModelServer, champion: Champion) -> None:
    predictor, _ = load_registered(champion.reference, champion.uri)
    known_from_0 = champion.frame.copy()
    known_from_0[[name for name in known_from_0 if name.startswith("loss")]] = np.nan
    for frame in (champion.frame, known_from_0):
        found, expected = ask(server, frame), predictor.predict_interval(frame)
        assert found["prediction"].tolist() == pytest.approx(predictor.predict(frame).tolist(), rel=1e-12)
        assert found["lower"].tolist() == pytest.approx(expected.lower.tolist(), rel=1e-9)
        assert found["upper"].tolist() == pytest.approx(expected.upper.tolist(), rel=1e-9)
        assert found["warning"].isna().all()


def test_optional_columns_may_be_left_out(server: ModelServer, champion: Champion) -> None:
    signature = get_model_info(f"models:/{champion.reference}").signature
    assert signature.inputs.required_input_names() == ["lr", "bin_size"]
    optional = signature.inputs.optional_input_names()
    assert optional == [f"loss_{epoch}" for epoch in range(6)]
    whole, two = champion.frame, ["lr", "bin_size", "loss_0", "loss_1"]
    pd.testing.assert_frame_equal(ask(server, whole[two]), ask(server, whole))
    blind = whole.assign(**dict.fromkeys(optional, np.nan))
    pd.testing.assert_frame_equal(ask(server, whole[["bin_size", "lr"]]), ask(server, blind))
    ragged = [{"lr": 0.001, "bin_size": 8}, {"lr": 0.001, "bin_size": 8, "loss_0": 2.1, "loss_1": 1.5}]
    answer = strictly(send(server, json.dumps({"dataframe_records": ragged}).encode()))["predictions"]
    apart = [ask(server, pd.DataFrame([row])) for row in ragged]
    pd.testing.assert_frame_equal(pd.DataFrame(answer), pd.concat(apart, ignore_index=True))
    assert answer[0]["prediction"] != answer[1]["prediction"]


def test_every_way_to_send_a_table_has_the_same_answer(server: ModelServer, champion: Champion) -> None:
    frame = champion.frame.head(3).astype({"bin_size": int})
    columns = {name: column.tolist() for name, column in frame.dropna(axis=1).items()}
    expected = ask(server, frame)
    for content, kind in (
        (json.dumps({"inputs": columns}), JSON),
        (json.dumps({"instances": frame.dropna(axis=1).to_dict("records")}), JSON),
        (frame.to_csv(index=False), CSV),
        (frame.to_csv(index=False), f"{CSV}; charset=utf-8"),
    ):
        found = pd.DataFrame(strictly(send(server, content.encode(), kind))["predictions"])
        pd.testing.assert_frame_equal(found, expected)
    assert len(ask(server, frame.head(0))) == 0


def test_a_hyperparameter_out_of_the_training_range_is_warned_of(
    server: ModelServer, champion: Champion
) -> None:
    frame = champion.frame.head(4).reset_index(drop=True)
    least, most = champion.frame["lr"].min(), champion.frame["lr"].max()
    frame["lr"] = [least, most, most * 1.01, least / 2]
    frame.loc[3, "bin_size"] = 16
    found = ask(server, frame)
    assert found["warning"].isna().tolist() == [True, True, False, False]
    high, both = found["warning"][2], found["warning"][3]
    assert high == f"lr = {most * 1.01:.10g} is outside the training range {least:.10g} to {most:.10g}"
    assert both.startswith(f"lr = {least / 2:.10g} is outside")
    assert both.endswith("; bin_size = 16 is outside the training range 8 to 8")
    assert np.isfinite(found["prediction"].astype(float)).all()
    outputs = get_model_info(f"models:/{champion.reference}").signature.outputs
    assert outputs.input_names() == ["prediction", "lower", "upper", "warning"]
    assert outputs.optional_input_names() == ["warning"]


GAP = "no finite value, but the curve goes on after it; only epochs after the last observed one may have none"


def gap(frame: pd.DataFrame) -> pd.DataFrame:
    table = frame.head(3).reset_index(drop=True)
    return table.assign(loss_2=[1.2, None, 1.2], loss_3=[1.2, None, 1.2], loss_4=[1.1, 1.1, 1.1])


REFUSED: dict[str, tuple[Callable[[pd.DataFrame], bytes], str]] = {
    "gap": (
        lambda frame: split(gap(frame)),
        f"curves: row 2, column loss_2: {GAP}",
    ),
    "a column left out amid the curve": (
        lambda frame: split(gap(frame).drop(columns="loss_2")),
        f"curves: row 1, column loss_2: {GAP}",
    ),
    "no hyperparameter": (
        lambda frame: split(frame.drop(columns="lr")),
        "the table of curves lacks the columns lr",
    ),
    "null hyperparameter": (
        lambda frame: split(frame.assign(lr=None)),
        "curves: row 1, hyperparameter lr: nan is not a finite number",
    ),
    "text for a number": (
        lambda frame: split(frame.assign(lr="fast")),
        "curves: row 1, column lr: 'fast' is not a number",
    ),
    "list for a number": (
        lambda frame: json.dumps({"dataframe_records": [{"lr": [1.0], "bin_size": 8}]}).encode(),
        "curves: row 1, column lr: [1.0] is not a number",
    ),
    "twice": (
        lambda frame: split(frame.head(1)).replace(b"bin_size", b"lr"),
        "curves: 2 columns are called 'lr'",
    ),
    "no names": (
        lambda frame: json.dumps({"inputs": [[0.1, 8.0]]}).encode(),
        "curves: a column is called 0; expected a pandas DataFrame",
    ),
    "scalars": (
        lambda frame: json.dumps({"inputs": {"lr": 0.1, "bin_size": 8}}).encode(),
        "the request holds no table of curves: ",
    ),
    "empty": (lambda frame: b"", "the request cannot be read: Expecting value: line 1 column 1 (char 0)"),
    "no JSON": (lambda frame: b"{", "the request cannot be read: Expecting property name enclosed in"),
    "no UTF-8": (lambda frame: b'{"\xff', "the request cannot be read: 'utf-8' codec can't decode"),
    "a list": (lambda frame: b"[1]", "the request cannot be read: The input must be a JSON dictionary with"),
    "no field": (lambda frame: b"{}", "the request cannot be read: The input must be a JSON dictionary with"),
    "lengths": (
        lambda frame: json.dumps({"dataframe_split": {"columns": ["lr"], "data": [[1, 2]]}}).encode(),
        "the request cannot be read: 1 columns passed, passed data had 2 columns",
    ),
    "prompt": (lambda frame: b'{"prompt": "hello"}', "the request holds no table of curves: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_cannot_be_used_is_refused(server: ModelServer, champion: Champion, name: str) -> None:
    make, expected = REFUSED[name]
    status, message = refusal(server, make(champion.frame))
    assert status == 400
    assert message.startswith(expected)


def test_refusals_of_other_content(server: ModelServer, champion: Champion) -> None:
    text = champion.frame.head(2).to_csv(index=False)
    status, message = refusal(server, text.replace("8.0", "eight").encode(), CSV)
    assert status == 400
    assert message.startswith("curves: row 1, column bin_size: 'eight' is not a number")
    status, message = refusal(server, f"{text}1,2,3,4,5,6,7,8,9,10,11\n".encode(), CSV)
    assert status == 400
    assert message.startswith("the request cannot be read: Error tokenizing data")
    for kind in ("text/plain", None):
        status, message = refusal(server, text.encode(), kind)
        assert status == 415
        assert message.startswith("This predictor only supports the following content types")


def test_a_table_without_a_hyperparameter_is_reported(server: ModelServer, champion: Champion) -> None:
    missing = champion.frame.columns[0]
    with pytest.raises(HTTPError) as raised:
        ask(server, champion.frame.drop(columns=missing))
    assert raised.value.code == 400
    assert missing in raised.value.read().decode()


def test_the_same_in_python(champion: Champion) -> None:
    connect(champion.uri)
    mlflow.set_tracking_uri(champion.uri)
    model = mlflow.pyfunc.load_model(f"models:/{champion.reference}")
    predictor, _ = load_registered(champion.reference, champion.uri)
    blind = champion.frame[["lr", "bin_size"]]
    assert (
        model.predict(blind)["prediction"].tolist()
        == predictor.predict(
            champion.frame.assign(**{f"loss_{epoch}": np.nan for epoch in range(6)})
        ).tolist()
    )
    with pytest.raises(MlflowException, match=r"row 2, column loss_2: no finite value"):
        model.predict(gap(champion.frame))
