"""Versions of registered models: found by alias, tag or number, fetched, and checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

import mlflow
from mlflow import MlflowClient as MlflowClient
from mlflow.entities.model_registry import ModelVersion as ModelVersion

from mlpf_hpo.errors import DataError, MlpfHpoError, TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.tracking.client import tracking_uri
from mlpf_hpo.tracking.login import URI, full_uri
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, first_line, translate_errors

CHECKSUM = "sha256"
"""Tag of a version: the checksum of its model file."""

LATER = "run it again when MLflow answers"


def get_version_by_alias(client: MlflowClient, alias: str, model: str) -> ModelVersion | None:
    """Return the version of a model that an alias points at; None if there is none."""
    with translate_errors(client.tracking_uri):
        for found in client.search_registered_models(f"name = '{model}'"):
            if alias in found.aliases:
                return client.get_model_version(model, str(found.aliases[alias]))
    return None


def get_version_by_tag(client: MlflowClient, tag: str, value: str, model: str) -> ModelVersion | None:
    """Return the newest version of a model with a tag of that value; None if there is none."""
    with translate_errors(client.tracking_uri):
        found = client.search_model_versions(f"name = '{model}' and tags.{tag} = '{value}'")
    return max(found, key=lambda version: int(version.version), default=None)


def get_version_by_number(client: MlflowClient, number: str | int, model: str) -> ModelVersion | None:
    """Return the version of a model with that number; None if there is none."""
    with translate_errors(client.tracking_uri):
        if not client.search_model_versions(f"name = '{model}' and version_number = {int(number)}"):
            return None
        return client.get_model_version(model, str(number))  # a search leaves out its aliases


def get_version_by_reference(
    client: MlflowClient, reference: re.Match[str], model: str
) -> ModelVersion | None:
    """Return the version of a model that a matched reference names, by its group `alias` or `version`."""
    if reference["alias"]:
        return get_version_by_alias(client, reference["alias"], model)
    return get_version_by_number(client, reference["version"], model)


def describe_version(version: ModelVersion) -> str:
    """Return name and number of a version, for people."""
    return f"{version.name} version {version.version}"


def retire_hint(version: ModelVersion) -> str:
    """Return how a person gives up a champion that cannot be used any more."""
    return f"give it up: mlpf-hpo predictors retire {version.name}/{version.version}"


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
    UnreachableError
        If MLflow, or its store of files, does not answer: they may be had later.
    TrackingError
        If they cannot be had; the message ends with the remedy.
    """
    uri, lost = point_mlflow_at(uri), f"{describe_version(version)}: its files cannot be read: "
    try:
        with translate_errors(uri, "to give them"):
            return Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))
    except UnreachableError as error:
        raise UnreachableError(f"{lost}{error}; {LATER}") from None
    except MlpfHpoError as error:
        raise TrackingError(f"{lost}{error}; {remedy}") from None
    except Exception as error:  # clients of object stores raise errors of their own
        raise TrackingError(f"{lost}{first_line(error)}; {remedy}") from None


def check_model(file: Path, checksum: str | None, remedy: str) -> None:
    """Refuse a model file with another content than is on record.

    Raises
    ------
    DataError
        If it differs, or nothing is on record; the message ends with the remedy.
    """
    if checksum is None:
        raise DataError(f"{file}: no checksum of it is on record; {remedy}")
    if sha256(file) != checksum:
        raise DataError(f"{file}: damaged: its checksum is not the one on record; {remedy}")
