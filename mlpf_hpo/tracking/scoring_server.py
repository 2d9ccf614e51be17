"""MLflow's scoring server with refusals that say in one sentence what is wrong.

The server answers a table that a model does not take with the whole table, the whole schema or a stack trace,
and has no hook for anything else. So the function by which it answers requests is wrapped, for models of ours
alone. They check their tables themselves, and name row and column; MLflow's check against the signature names
no row, and is left out.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, ErrorCode
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.pyfunc.scoring_server import InvocationsResponse
from mlflow.types import DataType, Schema

OK = 200
"""HTTP status of an answer that is no refusal."""

_logger = logging.getLogger(__name__)
_answer = scoring_server.invocations


class Refusal(MlflowException):
    """A request that a model does not take: one sentence, status 400 unless another error code is given."""

    def __init__(self, sentence: str, error_code: int = BAD_REQUEST) -> None:
        super().__init__(" ".join(sentence.split()), error_code)


class ServedModel(ABC):
    """A model whose requests are refused in one sentence."""

    @abstractmethod
    def predict(self, model_input: Any) -> pd.DataFrame:
        """Return a row of predictions for each row of what a request holds, or raise a `Refusal`."""


class _Unenforced:
    """What MLflow's function takes for the model; it has what is used there of one."""

    def __init__(self, model: ServedModel, metadata: Any) -> None:
        self.model, self.metadata = model, metadata

    def predict(self, data: Any) -> pd.DataFrame:
        try:
            found = self.model.predict(data)
        except Refusal:
            raise
        except Exception as error:
            _logger.exception("a request failed")
            raise Refusal(f"the model failed: {error!r}; the server's log has more", INTERNAL_ERROR) from None
        # JSON has no word for NaN and infinities.
        return found.astype(object).where(found.notna() & ~found.isin([np.inf, -np.inf]), None)


def answer_in_one_sentence() -> None:
    """Let scoring servers of this process refuse requests in one sentence, where the model is one of ours."""
    scoring_server.invocations = _answer_or_refuse


def _answer_or_refuse(
    data: Any, content_type: str | None, model: PyFuncModel, input_schema: Schema
) -> InvocationsResponse:
    ours = model._model_impl
    if not isinstance(ours, ServedModel):
        return _answer(data, content_type, model, input_schema)
    try:
        found = _answer(data, content_type or "", _Unenforced(ours, model.metadata), _texts(input_schema))
    except MlflowException as error:
        raise Refusal(_sentence(error), ErrorCode.Value(error.error_code)) from None
    return found if found.status == OK else found._replace(response=_first_sentence(found.response))


def _texts(schema: Schema) -> Schema | None:
    """Return the columns that hold texts: CSV cells such as 8 in them are texts as well."""
    texts = [column for column in schema.inputs if column.type == DataType.string]
    return Schema(texts) if texts else None


def _sentence(error: MlflowException) -> str:
    """Return a refusal in one sentence: ours, or the reason for which a request cannot be parsed."""
    said = str(error)  # its attribute `message` has the whole table by now
    if isinstance(error, Refusal):
        return said
    cause = error.__cause__ or error.__context__
    first = _first_sentence(said.removeprefix("Invalid input. "))
    reason = first if cause is None else str(cause).replace(". ", ": ")
    return f"the request cannot be read: {reason}"


def _first_sentence(text: str) -> str:
    """Return the first sentence of what MLflow says; the request, or advice for programmers, follows."""
    return text.split(". ")[0]
