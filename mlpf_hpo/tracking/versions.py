"""Versions of registered models: found by alias or tag, fetched, and compared with what was registered."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion as ModelVersion
from mlflow.exceptions import MlflowException

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.tracking.answers import first_line, understood
from mlpf_hpo.tracking.client import tracking_uri
from mlpf_hpo.tracking.login import URI, full_uri
from mlpf_hpo.tracking.records import MODEL

CHECKSUM = "sha256"
"""Tag of a version: the checksum of its model file."""


def version_behind(client: MlflowClient, alias: str, model: str = MODEL) -> ModelVersion | None:
    """Return the version of a model that an alias points at; None if there is none."""
    with understood(client.tracking_uri):
        for found in client.search_registered_models(f"name = '{model}'"):
            if alias in found.aliases:
                return client.get_model_version(model, str(found.aliases[alias]))
    return None


def find_version(client: MlflowClient, tag: str, value: str, model: str = MODEL) -> ModelVersion | None:
    """Return the newest version of a model with a tag of that value; None if there is none."""
    with understood(client.tracking_uri):
        found = client.search_model_versions(f"name = '{model}' and tags.{tag} = '{value}'")
    return max(found, key=lambda version: int(version.version), default=None)


def told(version: ModelVersion) -> str:
    """Return what people call a version."""
    return f"{version.name} version {version.version}"


def point_mlflow_at(uri: str | None) -> str:
    """Make MLflow's own functions talk to a store; return its address."""
    uri = tracking_uri(uri)
    mlflow.set_tracking_uri(full_uri(uri))
    mlflow.set_registry_uri(full_uri(uri))
    os.environ[URI] = uri  # where MLflow has put the address too, for processes that are started from here
    return uri


def download(version: ModelVersion, remedy: str, uri: str | None = None) -> Path:
    """Return a folder with the files of a version.

    Raises
    ------
    TrackingError
        If they cannot be had; the message ends with the remedy.
    """
    point_mlflow_at(uri)
    try:
        return Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{told(version)}: its files cannot be read: {first_line(error)}; {remedy}"
        ) from None


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
