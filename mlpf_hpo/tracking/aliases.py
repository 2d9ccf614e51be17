"""Champion and challenger: promotion of model versions by moving aliases, with the reasons on record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.remedies import make_again
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.versions import ModelVersion, describe_version, get_version_by_alias

SPEC, FIT, VERDICT = "recipe", "fit", "verdict"
"""Tags of a version: how it is made, what was fitted, and why it is or is not the champion."""

CURVES = "training_curves"
"""Tag of a version: the number of distinct curves it was fitted on."""

CHALLENGER = "challenger"
"""Alias of the newest version, as long as it is not the champion."""

AGAIN = make_again("register")

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


def promoted_tag(alias: str) -> str:
    """Return the tag of a version that a comparison gave an alias, and from which none took it."""
    return f"promoted_to_{alias}"


def predictors(client: MlflowClient) -> list[RegisteredModel]:
    """Return the registered models of predictors, with their aliases, page by page."""
    found: list[RegisteredModel] = []
    token = None
    while token != "":
        page = client.search_registered_models(f"name LIKE '{MODEL}-%'", page_token=token)
        found, token = [*found, *page], page.token or ""
    return found


def make_model(client: MlflowClient, name: str, description: str, tags: Mapping[str, str]) -> None:
    """Make a registered model, if it is not there."""
    with translate_errors(client.tracking_uri):
        if client.search_registered_models(f"name = '{name}'"):
            return
        try:
            client.create_registered_model(name, dict(tags), description)
        except MlflowException as error:
            if error.error_code != ALREADY_EXISTS:  # another process may have been first
                raise


def promote(
    client: MlflowClient, version: ModelVersion, alias: str, before: ModelVersion | None = None
) -> None:
    """Make a version the champion, no challenger any more; `before` is what it was compared with.

    Raises
    ------
    TrackingError
        If the alias points elsewhere by now: nothing is changed then.
    """
    model, number = version.name, str(version.version)
    now = get_version_by_alias(client, alias, model)
    if _numbered(now) != _numbered(before):
        raise TrackingError(
            f"{model}: @{alias} was moved from {_numbered(before)} to {_numbered(now)} while version "
            f"{number} was compared with the former, and stays there; compare with the latter: {AGAIN}"
        )
    challenger = get_version_by_alias(client, CHALLENGER, model)
    with translate_errors(client.tracking_uri):
        if before is not None and str(before.version) != number and promoted_tag(alias) in before.tags:
            client.delete_model_version_tag(model, str(before.version), promoted_tag(alias))
        client.set_registered_model_alias(model, alias, number)
        client.set_model_version_tag(model, number, promoted_tag(alias), "true")
        if challenger is not None and str(challenger.version) == number:
            client.delete_registered_model_alias(model, CHALLENGER)


def challenge(client: MlflowClient, version: ModelVersion) -> None:
    """Make a version the challenger."""
    with translate_errors(client.tracking_uri):
        client.set_registered_model_alias(version.name, CHALLENGER, str(version.version))


def retire(client: MlflowClient, version: ModelVersion, alias: str) -> None:
    """Take an alias away from a version, which stays where it is.

    Raises
    ------
    TrackingError
        If the alias does not point at it.
    """
    now = get_version_by_alias(client, alias, version.name)
    if _numbered(now) != _numbered(version):
        raise TrackingError(
            f"{describe_version(version)} is not @{alias}, which points at {_numbered(now)}: there is "
            "nothing to retire"
        )
    with translate_errors(client.tracking_uri):
        if promoted_tag(alias) in version.tags:
            client.delete_model_version_tag(version.name, str(version.version), promoted_tag(alias))
        client.delete_registered_model_alias(version.name, alias)


def explain(
    client: MlflowClient, version: ModelVersion, description: str, verdict: Mapping[str, Any]
) -> None:
    """Record what a version is, and why it is or is not the champion: in words, and as a tag for programs."""
    with translate_errors(client.tracking_uri):
        client.set_model_version_tag(version.name, str(version.version), VERDICT, json.dumps(verdict))
    set_description(client, version, description)


def set_model_description(client: MlflowClient, name: str, description: str) -> None:
    """Describe a registered model, unless it is described so already."""
    with translate_errors(client.tracking_uri):
        if client.get_registered_model(name).description != description:
            client.update_registered_model(name, description)


def set_description(client: MlflowClient, version: ModelVersion, description: str) -> ModelVersion:
    """Describe a version; return the updated version."""
    model, number = version.name, str(version.version)
    with translate_errors(client.tracking_uri):
        client.update_model_version(model, number, description=description)
        return client.get_model_version(model, number)


def verdict_on(version: ModelVersion) -> dict[str, Any] | None:
    """Return what `explain` kept; None where there is nothing that can be read."""
    try:
        found = json.loads(version.tags.get(VERDICT, "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _numbered(version: ModelVersion | None) -> str:
    return "no version" if version is None else f"version {version.version}"
