"""The Model Registry: the predictor that the next search uses."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.tracking.answers import understood
from mlpf_hpo.tracking.delivery import dataset_input
from mlpf_hpo.tracking.model_format import load_model
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.storage import storage_refusals
from mlpf_hpo.tracking.versions import (
    CHECKSUM,
    ModelVersion,
    check_model,
    download,
    point_mlflow_at,
    told,
    version_behind,
)

RECIPE, FIT, VERDICT = "recipe", "fit", "verdict"
"""Tags of a version: how it is made, what was fitted, and why it is or is not the champion."""

CHALLENGER = "challenger"
"""Alias of the newest version, as long as it is not the champion."""

AGAIN = "dvc repro -f register"

REMEDY = f"register one anew with: {AGAIN}"

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
    uri = point_mlflow_at(client.tracking_uri)
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
    number = str(info.registered_model_version)
    file = _model_file(client.get_model_version(MODEL, number), uri)
    load_model(file, trusted)  # what gets a checksum is whole
    everything = {**tags, "dataset_digest": digest, "source_run": run_id, CHECKSUM: sha256(file)}
    for tag, content in everything.items():
        client.set_model_version_tag(MODEL, number, tag, str(content))
    client.set_registered_model_alias(MODEL, alias, number)
    return client.get_model_version(MODEL, number)


def promote(client: MlflowClient, version: ModelVersion, alias: str) -> None:
    """Point an alias at a version; if it is the champion's, the version is a challenger no longer."""
    number = str(version.version)
    challenger = version_behind(client, CHALLENGER)
    with understood(client.tracking_uri):
        client.set_registered_model_alias(MODEL, alias, number)
        if alias != CHALLENGER and challenger is not None and str(challenger.version) == number:
            client.delete_registered_model_alias(MODEL, CHALLENGER)


def explain(client: MlflowClient, version: ModelVersion, reason: str, verdict: Mapping[str, Any]) -> None:
    """Keep with a version why it is or is not the champion: as its description, and as a tag for programs."""
    number = str(version.version)
    with understood(client.tracking_uri):
        client.set_model_version_tag(MODEL, number, VERDICT, json.dumps(verdict))
        client.update_model_version(MODEL, number, description=reason)


def verdict_on(version: ModelVersion) -> dict[str, Any] | None:
    """Return what `explain` kept; None where there is nothing that can be read."""
    try:
        found = json.loads(version.tags.get(VERDICT, "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def model_file(version: ModelVersion, uri: str | None = None) -> Path:
    """Return the skops file of a version, whose content is what was registered.

    Raises
    ------
    TrackingError
        If it cannot be had, or is not of the safe kind.
    DataError
        If it is damaged.
    """
    file = _model_file(version, uri)
    check_model(file, version.tags.get(CHECKSUM), REMEDY)
    return file


def _model_file(version: ModelVersion, uri: str | None) -> Path:
    """Return the skops file of a version; versions of any other kind are refused."""
    folder, name = download(version, REMEDY, uri), told(version)
    try:
        flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
        format_, file = flavour["serialization_format"], folder / flavour["pickled_model"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise TrackingError(f"{name}: not a model of ours: {folder / 'MLmodel'}: {error}") from None
    if format_ != "skops":
        raise TrackingError(f"{name}: stored as {format_}, which could run code when loaded; refused")
    return file


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Silence what MLflow says about integers without missing values and the like."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.getLogger("mlflow").setLevel(logging.ERROR)
