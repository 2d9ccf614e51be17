"""The registered predictor as a model that MLflow serves: an MLflow flavour of our own.

A version holds scikit-learn's flavour, and this module as the loader of its `python_function`: the answers of
`mlflow models serve` have intervals and warnings, and a table that cannot be used is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.types import ColSpec, DataType, Schema

from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.predictors.checked_prediction import COLUMNS, optional_columns, predict_checked
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.tracking.scoring_server import Refusal, ServedModel, answer_in_one_sentence

WARNING = COLUMNS[-1]


class ServedPredictor(ServedModel):
    """A predictor as MLflow's `python_function` calls it.

    Parameters
    ----------
    predictor : CurvePredictor
        Fitted.
    """

    def __init__(self, predictor: CurvePredictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any) -> pd.DataFrame:
        """Return predictions as `predict_checked` does; lists and dictionaries are tables as well.

        Raises
        ------
        Refusal
            If the table cannot be used; the message names row and column.
        """
        try:
            table = pd.DataFrame(model_input)
        except (TypeError, ValueError) as error:
            raise Refusal(f"the request holds no table of curves: {error}") from None
        try:
            return predict_checked(self.predictor, table)
        except MlpfHpoError as error:
            raise Refusal(str(error)) from None


def signature_of(predictor: CurvePredictor) -> ModelSignature:
    """Return what a predictor takes and returns; epochs that need not be observed are optional columns."""
    optional, texts = optional_columns(predictor), predictor.texts_
    inputs = [
        ColSpec(DataType.string if name in texts else DataType.double, name, required=name not in optional)
        for name in predictor.columns_
    ]
    outputs = [
        ColSpec(DataType.string, name, required=False) if name == WARNING else ColSpec(DataType.double, name)
        for name in COLUMNS
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def save_model(
    path: str,
    mlflow_model: Model,
    *,
    predictor: CurvePredictor,
    trusted: Sequence[str],
    input_example: pd.DataFrame,
    pip_requirements: Sequence[str],
) -> None:
    """Write a predictor as MLflow's `Model.log` asks a flavour to do.

    Parameters
    ----------
    path, mlflow_model
        Folder to make, and the description of the model that it gets.
    predictor : CurvePredictor
        Fitted.
    trusted : sequence of str
        Types beyond scikit-learn's and numpy's that the file may hold.
    input_example : DataFrame
        A few curves.
    pip_requirements : sequence of str
        What a serving environment needs.
    """
    mlflow.sklearn.save_model(
        predictor,
        path,
        mlflow_model=mlflow_model,
        serialization_format="skops",
        skops_trusted_types=list(trusted),
        signature=signature_of(predictor),
        input_example=input_example,
        pip_requirements=list(pip_requirements),
    )
    flavors = mlflow_model.flavors
    file = flavors[mlflow.sklearn.FLAVOR_NAME]["pickled_model"]
    flavors[pyfunc.FLAVOR_NAME] |= {pyfunc.MAIN: __name__, pyfunc.DATA: file}
    mlflow_model.save(str(Path(path) / MLMODEL_FILE_NAME))


def _load_pyfunc(path: str) -> ServedPredictor:
    """Load a predictor from its file, as MLflow asks the loader of a `python_function` to do."""
    answer_in_one_sentence()
    return ServedPredictor(load_predictor(Path(path)))
