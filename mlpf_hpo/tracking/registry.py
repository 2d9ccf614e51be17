"""Predictors in the Model Registry: stored as versions, and read back as files of the safe kind."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.models import Model

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import sha256
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.model_format import load_model
from mlpf_hpo.tracking import served_predictor
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.store_writes import dataset_input
from mlpf_hpo.tracking.versions import (
    CHECKSUM,
    ModelVersion,
    check_model,
    download,
    point_mlflow_at,
    retire_hint,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REQUIREMENTS = ("mlpf_hpo", "scikit-learn", "numpy", "pandas", "scipy", "skops")
"""What a serving environment needs; inferring it takes 20 s and finds torch."""


def register_predictor(
    client: MlflowClient,
    predictor: CurvePredictor,
    example: pd.DataFrame,
    *,
    model: str,
    trusted: Sequence[str],
    run_id: str,
    digest: str,
    dataset_path: Path,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    description: str = "",
    figures: Mapping[str, Figure] = MappingProxyType({}),
) -> ModelVersion:
    """Store a fitted predictor as a new version of a registered model.

    The version is made last, with all that is known of it: there is none without its checksum or its spec.

    Parameters
    ----------
    predictor : CurvePredictor
        Fitted; how it is served is in `served_predictor`.
    model : str
        Name of the registered model, see `make_model`.
    trusted : sequence of str
        Types beyond scikit-learn's and numpy's that the file may hold.
    digest, dataset_path
        The learning-curve data set it was fitted on.
    metrics, tags
        Scores, logged to run and model, and tags of the version.
    figures : mapping of str to Figure
        Path -> figure, stored with the run.
    """
    uri = point_mlflow_at(client.tracking_uri)
    with translate_errors(uri, "to store the predictor"):
        client.log_inputs(
            run_id, datasets=[dataset_input(digest, dataset_path, "learning curves", "training")]
        )
        log_figures(client, run_id, figures)
        with mlflow.start_run(run_id=run_id), _quiet():
            info = Model.log(
                None,
                served_predictor,
                name="predictor",
                predictor=predictor,
                trusted=trusted,
                input_example=example,
                pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
            )
            for name, value in metrics.items():
                mlflow.log_metric(name, value, model_id=info.model_id)
        file = _model_file(Path(mlflow.artifacts.download_artifacts(info.model_uri)), info.model_uri)
        load_model(file, trusted)  # what gets a checksum is whole
        everything = {**tags, "dataset_digest": digest, "source_run": run_id, CHECKSUM: sha256(file)}
        source = client.get_logged_model(info.model_id).artifact_location
        version = client.create_model_version(
            model, source, run_id, everything, description=description, model_id=info.model_id
        )
        return client.get_model_version(model, str(version.version))


def log_figures(client: MlflowClient, run_id: str, figures: Mapping[str, Figure]) -> None:
    """Store figures with a run."""
    with translate_errors(client.tracking_uri, "to store a figure"):
        for path, figure in figures.items():
            client.log_figure(run_id, figure, path, save_kwargs={"dpi": 150, "facecolor": "white"})


def model_file(version: ModelVersion, uri: str | None = None) -> Path:
    """Return the skops file of a version; its content is checked against the checksum on record.

    Raises
    ------
    TrackingError
        If it cannot be had.
    DataError
        If it is damaged, or not of the safe kind.
    """
    what = f"put them back as they were, or {retire_hint(version)}"
    file = _model_file(download(version, what, uri), what)
    check_model(file, version.tags.get(CHECKSUM), what)
    return file


def _model_file(folder: Path, what: str) -> Path:
    """Return the skops file in a model's folder; models of any other kind are refused."""
    try:
        flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
        format_, file = flavour["serialization_format"], folder / flavour["pickled_model"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"not a model of ours: {folder / 'MLmodel'}: {error}; {what}") from None
    if format_ != "skops":
        raise DataError(f"stored as {format_}, which could run code when loaded; refused; {what}")
    return file


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Silence what MLflow says about integers without missing values and the like."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("mlflow").setLevel(logging.ERROR)
