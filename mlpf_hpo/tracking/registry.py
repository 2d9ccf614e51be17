"""The Model Registry: the predictor that the next search uses.

Models are stored by skops, which writes data instead of code: loading one runs nothing that the file brings,
and refuses every type that is not on our list.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io
import yaml
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.delivery import dataset_input
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.storage import storage_refusals

CHECKSUM = "sha256"
"""Tag of a version: the checksum of its model file."""

AGAIN = "dvc repro -f register"

REQUIREMENTS = ("mlpf_hpo", "scikit-learn", "numpy", "pandas", "scipy", "skops")
"""What a serving environment needs; inferring it takes 20 s and finds torch."""


def register_predictor(
    client: MlflowClient,
    predictor: BaseEstimator,
    example: pd.DataFrame,
    *,
    trusted: Sequence[str],
    run_id: str,
    digest: str,
    dataset_path: Path,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    alias: str = "champion",
) -> ModelVersion:
    """Store a fitted predictor as a new version of `curve-predictor` and point the alias at it.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    predictor : estimator
        Fitted, with `predict`.
    example : DataFrame
        Input example; the signature is taken from it.
    trusted : sequence of str
        Types beyond scikit-learn's and numpy's that the file may hold.
    run_id : str
        Run that the model belongs to.
    digest, dataset_path
        The learning-curve data set it was fitted on.
    metrics, tags
        Scores, logged to run and model, and tags of the version.
    alias : str
        Alias that moves to the new version.
    """
    uri = tracking_uri(client.tracking_uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client.log_inputs(run_id, datasets=[dataset_input(digest, dataset_path, "learning curves", "training")])
    signature = infer_signature(example, predictor.predict(example))
    with storage_refusals(uri), mlflow.start_run(run_id=run_id), _quiet():
        info = mlflow.sklearn.log_model(
            predictor,
            name="predictor",
            serialization_format="skops",
            skops_trusted_types=list(trusted),
            signature=signature,
            input_example=example,
            pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
            registered_model_name=MODEL,
        )
        for name, value in metrics.items():
            mlflow.log_metric(name, value, model_id=info.model_id)
    version = info.registered_model_version
    name = f"{MODEL} version {version}"
    file = _model_file(_download(version), name)
    load_model(file, trusted)  # what gets a checksum is whole
    everything = {**tags, "dataset_digest": digest, "source_run": run_id, CHECKSUM: sha256(file)}
    for tag, told in everything.items():
        client.set_model_version_tag(MODEL, str(version), tag, str(told))
    client.set_registered_model_alias(MODEL, alias, str(version))
    return client.get_model_version(MODEL, str(version))


def load_champion(
    trusted: Sequence[str], uri: str | None = None, alias: str = "champion"
) -> tuple[Any, ModelVersion]:
    """Return the predictor that an alias points at, and its version.

    Raises
    ------
    TrackingError
        If there is none (the message says which stage makes one), or its file is not of the safe kind, or it
        holds types that are not trusted.
    """
    client = connect(uri)
    try:
        version = client.get_model_version_by_alias(MODEL, alias)
    except MlflowException:
        raise TrackingError(
            f"the registry at {tracking_uri(uri)} has no {MODEL}@{alias}; the stage `register` makes one "
            "(dvc repro register)"
        ) from None
    mlflow.set_tracking_uri(tracking_uri(uri))
    mlflow.set_registry_uri(tracking_uri(uri))
    name = f"{MODEL} version {version.version}"
    try:
        file = _model_file(_download(version.version), name)
        check_model(file, version.tags.get(CHECKSUM), f"register one anew with: {AGAIN}")
        return load_model(file, trusted), version
    except DataError as error:
        raise TrackingError(f"{name}: {error}") from None


def _download(version: int | str) -> Path:
    """Return a folder with the files of a version."""
    try:
        return Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}"))
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{MODEL} version {version}: its files cannot be read: {error}; register one anew with: {AGAIN}"
        ) from None


def _model_file(folder: Path, name: str) -> Path:
    """Return the skops file of a downloaded version; versions of any other kind are refused."""
    try:
        flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
        format_, file = flavour["serialization_format"], folder / flavour["pickled_model"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise TrackingError(f"{name}: not a model of ours: {folder / 'MLmodel'}: {error}") from None
    if format_ != "skops":
        raise TrackingError(f"{name}: stored as {format_}, which could run code when loaded; refused")
    return file


def check_model(file: Path, checksum: str | None, remedy: str) -> None:
    """Refuse a model file whose content is not what its maker put on record.

    Raises
    ------
    DataError
        If it differs, or nothing is on record; the message ends with the remedy.
    """
    if checksum is None:
        raise DataError(f"{file}: no checksum of it is on record; {remedy}")
    if sha256(file) != checksum:
        raise DataError(f"{file}: damaged: its checksum is not the one on record; {remedy}")


def load_model(file: Path, trusted: Sequence[str]) -> Any:
    """Load a skops file that holds nothing but scikit-learn's, numpy's and `trusted` types.

    Raises
    ------
    DataError
        If it is damaged, or holds other types; nothing of it is executed.
    """
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(file=file)) - set(trusted))
        model = None if unknown else skops.io.load(file, trusted=list(trusted))
    except Exception as error:  # a damaged file can fail anywhere in zip, JSON or numpy
        raise DataError(f"{file}: damaged, or not a model of ours: {error}") from None
    if unknown:
        raise DataError(f"{file}: holds types that are not trusted, refused: {', '.join(unknown)}")
    return model


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Silence what MLflow says about integers without missing values and the like."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("mlflow").setLevel(logging.ERROR)
