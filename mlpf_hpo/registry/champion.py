"""The champion: find its model version by alias, record it for the search, retire it by hand.

The stage `champion` runs at every `dvc repro`: this module imports no library that only predictors need.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import ConfigurationError, MissingInputError, TrackingError
from mlpf_hpo.files import read_record
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.remedies import make
from mlpf_hpo.target_metric import METRIC_TAG, MODE_TAG
from mlpf_hpo.tracking.aliases import AGAIN, CURVES, predictors, retire
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.versions import (
    CHECKSUM,
    MlflowClient,
    ModelVersion,
    describe_version,
    get_version_by_alias,
    get_version_by_number,
    get_version_by_reference,
    retire_hint,
)

RECORD = Path("results/champion.json")
"""File in which the stage `champion` records the version that the search uses."""

PRIORS = "priors"
"""Key of that record: digests of the files that schedulers of the search have as their prior, by path."""

NOW = f"see which version is champion now with: {make('champion')}"

_REFERENCE = re.compile(
    rf"(?P<model>{MODEL}[A-Za-z0-9_.-]*)(?:@(?P<alias>[A-Za-z0-9_-]+)|/(?P<version>[0-9]{{1,9}}))"
)


def champion_record(scope: ChampionScope, alias: str, campaign_epochs: int) -> dict[str, Any]:
    """Return the content of results/champion.json: the version that is champion now for a search.

    Equal records mean equal champions: the record has no time and no address.

    Parameters
    ----------
    scope : ChampionScope
        Metric, number of epochs and space of the search.
    alias : str
        The champion's alias.
    campaign_epochs : int
        Length of the curves that a predictor would be fitted on, for the message where there is none.

    Raises
    ------
    TrackingError
        If there is no champion, or its checksum is not recorded; the message says what to do.
    """
    client = connect()
    version = get_version_by_alias(client, alias, scope.model)
    if version is None:
        raise TrackingError(_none(client, scope, alias, campaign_epochs))
    if CHECKSUM not in version.tags:
        raise TrackingError(
            f"{describe_version(version)}, which @{alias} points at, was not registered by mlpf_hpo: no "
            f"checksum of it is on record; point @{alias} at another version, or {retire_hint(version)}"
        )
    return {
        "model": version.name,
        "alias": alias,
        "version": str(version.version),
        CHECKSUM: version.tags[CHECKSUM],
        "predictor": version.tags.get("predictor", "?"),
        CURVES: version.tags.get(CURVES, "?"),
        "dataset_digest": version.tags.get("dataset_digest", "?"),
    }


def summary(record: dict[str, Any]) -> str:
    """Return the champion's version and predictor as text."""
    name = f"{record['model']}@{record['alias']}"
    fitted = f"{record['predictor']}, fitted on {record[CURVES]} curves"
    return f"champion: {name} is version {record['version']}: {fitted}"


def recorded_version(client: MlflowClient, file: Path, scope: ChampionScope) -> ModelVersion:
    """Return exactly the version that the stage `champion` recorded.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    file : path
        The record of the stage.
    scope : ChampionScope
        Metric, number of epochs and space for which the champion is needed.

    Raises
    ------
    MissingInputError, DataError
        If there is no such record, or it is damaged.
    ConfigurationError
        If it is the record of a champion of another scope.
    TrackingError
        If the registry no longer holds that version.
    """
    record = read_record(file, "champion")
    model, number = record["model"], record["version"]
    if model != scope.model:
        raise ConfigurationError(
            f"{file}: names a version of {model}; this search needs one of {scope.model}, which predicts "
            f"{scope.target.metric} after {scope.n_epochs} epochs in its space; {NOW}"
        )
    version = get_version_by_number(client, number, model)
    if version is None or version.tags.get(CHECKSUM) != record[CHECKSUM]:
        problem = "is not there any more" if version is None else "has another content than that"
        raise TrackingError(
            f"{model} version {number}, the champion by {file}, {problem} in the registry at "
            f"{public_uri(client.tracking_uri)}; {NOW}"
        )
    return version


def named_version(client: MlflowClient, reference: str) -> ModelVersion:
    """Return the version of a predictor that ``MODEL@ALIAS`` or ``MODEL/VERSION`` names.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    named = _REFERENCE.fullmatch(reference)
    if named is None:
        raise MissingInputError(f"{reference}: neither {MODEL}-...@ALIAS nor {MODEL}-.../VERSION")
    version = get_version_by_reference(client, named, named["model"])
    if version is None:
        raise MissingInputError(
            f"{reference}: not in the registry at {public_uri(client.tracking_uri)}{_others(client)}"
        )
    return version


def check_scope(client: MlflowClient, version: ModelVersion, scope: ChampionScope) -> None:
    """Refuse a version that predicts something else than a search of a scope needs.

    Raises
    ------
    ConfigurationError
        The message says in what they differ.
    """
    if version.name == scope.model:
        return
    with translate_errors(client.tracking_uri):
        tags = client.get_registered_model(version.name).tags
    metric = f"{tags.get(METRIC_TAG, '?')} ({tags.get(MODE_TAG, '?')})"
    compared = (
        ("predicts", metric, str(scope.target)),
        ("predicts the value after", f"{tags.get('n_epochs', '?')} epochs", f"{scope.n_epochs}"),
        ("is of the space", tags.get("hyperparameters", "?"), scope.hyperparameters),
    )
    differences = [
        f"it {what} {its}, not {wanted}"
        for what, its, wanted in compared
        if its.removesuffix(" epochs") != wanted
    ]
    raise ConfigurationError(
        f"{describe_version(version)} is not for this search: {'; '.join(differences)}{_others(client)}"
    )


def retire_champion(reference: str, alias: str) -> str:
    """Remove the alias from the version that ``MODEL/VERSION`` names; return a message with the next step.

    The version stays in the registry; the alias can be set again.

    Raises
    ------
    TrackingError
        If the alias does not point at that version.
    """
    client = connect(make=False)
    version = named_version(client, reference)
    retire(client, version, alias)
    return (
        f"{describe_version(version)} is @{alias} no longer; the next predictor that is registered takes its "
        f"place without comparison: {AGAIN}"
    )


def _none(client: MlflowClient, scope: ChampionScope, alias: str, campaign_epochs: int) -> str:
    what = (
        f"the registry at {public_uri(client.tracking_uri)} has no {scope.model}@{alias}, "
        f"to predict {scope.target.metric} after {scope.n_epochs} epochs in this search space"
    )
    if campaign_epochs != scope.n_epochs:
        remedy = (
            f"search.max_epochs ({scope.n_epochs}) must equal campaign.epochs ({campaign_epochs}), "
            "from whose curves the stage `register` makes one"
        )
    else:
        remedy = f"the stage `register` makes one ({AGAIN})"
    return f"{what}; {remedy}{_others(client)}"


def _others(client: MlflowClient) -> str:
    """Return the registered predictors as the end of a sentence."""
    found = [f"{model.name}@{alias}" for model in predictors(client) for alias in sorted(model.aliases)]
    return f"; it has {', '.join(found)}" if found else ""
