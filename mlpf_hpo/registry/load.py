"""Load predictors from the registry: by version, by name, or the champion of a search."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.collector import collector_paused
from mlpf_hpo.errors import DataError, TrackingError

with collector_paused():
    from mlpf_hpo.predictors.curve_predictor import CurvePredictor
    from mlpf_hpo.predictors.model_file import load_predictor
    from mlpf_hpo.registry.champion import RECORD, check_scope, named_version, recorded_version
    from mlpf_hpo.registry.champion_scope import ChampionScope
    from mlpf_hpo.tracking.client import connect, connect_to_read
    from mlpf_hpo.tracking.registry import model_file
    from mlpf_hpo.tracking.versions import ModelVersion, describe_version, retire_hint


def load_version(version: ModelVersion, uri: str | None = None) -> CurvePredictor:
    """Load the predictor of a registered version.

    Raises
    ------
    UnreachableError
        If its file cannot be fetched now.
    TrackingError
        If its file is lost, damaged or not a predictor; the message names the version.
    """
    try:
        file = model_file(version, uri)
    except DataError as error:
        raise TrackingError(f"{describe_version(version)}: {error}") from None
    try:
        return load_predictor(file)
    except DataError as error:
        raise TrackingError(f"{describe_version(version)}: {error}; or {retire_hint(version)}") from None


@collector_paused()
def load_registered(reference: str, uri: str | None = None) -> tuple[CurvePredictor, ModelVersion]:
    """Return a registered predictor, ``MODEL@ALIAS`` or ``MODEL/VERSION``, and its version.

    Raises
    ------
    TrackingError
        If there is no such version, or it cannot be used.
    """
    version = named_version(connect(uri, make=False), reference)
    return load_version(version, uri), version


@collector_paused()
def load_for_search(
    reference: str, scope: ChampionScope, uri: str | None = None
) -> tuple[CurvePredictor, ModelVersion]:
    """Return the predictor that ``models:/MODEL/VERSION_OR_ALIAS`` names, and its version, for a search.

    Raises
    ------
    ConfigurationError
        If it is for another metric, number of epochs or search space than the search.
    MissingInputError, TrackingError
        If there is no such version, or it cannot be used.
    """
    model, slash, last = reference.removeprefix("models:/").rpartition("/")
    mark = slash if last.isdecimal() or "@" in last else "@"
    client = connect(uri, make=False)
    version = named_version(client, f"{model}{mark}{last}" if model else last)
    check_scope(client, version, scope)
    return load_version(version, uri), version


@collector_paused()
def load_champion(
    scope: ChampionScope, champion: Path = RECORD, uri: str | None = None
) -> tuple[CurvePredictor, ModelVersion]:
    """Return the predictor of exactly the version that the stage `champion` recorded, and that version.

    Raises
    ------
    MissingInputError, DataError
        If there is no such record, or it is damaged.
    ConfigurationError
        If it is the record of a champion of another scope.
    TrackingError
        If the registry no longer holds that version, or it cannot be used.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from mlpf_hpo import ChampionScope, LogUniform, SearchSpace, TargetMetric, load_champion
    >>> space = SearchSpace({"lr": LogUniform(0.001, 0.1)})
    >>> scope = ChampionScope.of_search(TargetMetric("val/loss", "min"), 16, space)
    >>> with TemporaryDirectory() as folder:  # no champion was recorded
    ...     load_champion(scope, Path(folder) / "champion.json", uri=f"sqlite:///{folder}/mlflow.db")
    Traceback (most recent call last):
    mlpf_hpo.errors.MissingInputError: ... not there; the stage `champion` makes it (dvc repro champion)
    """
    version = recorded_version(connect_to_read(uri), champion, scope)
    return load_version(version, uri), version
