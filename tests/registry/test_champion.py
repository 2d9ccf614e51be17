"""A champion that cannot be had or compared keeps its place; the search takes exactly the one on record."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import yaml
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import Params
from mlpf_hpo.config.champion import search_scope
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, TrackingError
from mlpf_hpo.files import write_record
from mlpf_hpo.registry.champion import summary
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.load import load_champion
from mlpf_hpo.tracking.aliases import promote
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from tests.registry.registered import (
    MODEL,
    PARAMS,
    Registry,
    record_champion,
    registry,
    uri,
    where_the_start_says_little,
)
from tests.registry.test_champion_scope import SEARCH, of_the_space
from tests.tracking.servers import MlflowServer

__all__ = ["registry", "uri"]

SCOPE = ChampionScope.of_curves(where_the_start_says_little(), PARAMS.space.search_space())


def refused(registry: Registry, name: str, error: type[Exception] = TrackingError) -> str:
    """Try to register a winner whose champion cannot be compared; nothing may change. Return the message."""
    before, runs = (registry.aliases, registry.versions()), registry.predictor_runs()
    with pytest.raises(error) as raised:
        registry.register(name, where_the_start_says_little(1))
    assert (registry.aliases, registry.versions()) == before, "the champion stays, and nothing is registered"
    assert registry.predictor_runs() == runs, "nor is a run opened"
    assert "\n" not in str(raised.value)
    return str(raised.value)


def retired(registry: Registry, said: str) -> str:
    """Execute the command that a message names; return what it prints."""
    command = re.search(r"mlpf-hpo (predictors retire \S+)$", said)
    assert command is not None, said
    params = registry.folder / "params.yaml"
    params.write_text(yaml.safe_dump(PARAMS.model_dump(mode="json")))
    done = CliRunner().invoke(app, [*shlex.split(command[1]), "--params", str(params)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("fault", ["lost", "damaged", "folder moved", "no spec", "unknown spec", "older"])
def test_a_champion_that_cannot_be_compared_stays_until_a_person_gives_it_up(registry, fault) -> None:
    """The challenger, ridge, is the better one: it would be promoted if it were compared."""
    registry.register("persistence", where_the_start_says_little(0))
    file = registry.model_file("1")
    away, reason = file.with_name("away"), f"{MODEL} version 1"
    if fault == "lost":
        file.rename(away)
        reason += r": .*model\.skops: cannot be read: No such file or directory"
    elif fault == "damaged":
        shutil.copy(file, away)
        file.write_bytes(file.read_bytes()[:-9])
        reason += r": .*damaged: its checksum is not the one on record"
    elif fault == "folder moved":
        away, file = file.parent.with_name("away"), file.parent
        file.rename(away)
        reason += ": its files cannot be read: .*No such artifact"
    else:
        spec = registry.client.get_model_version(MODEL, "1").tags["recipe"]
        changed = {"no spec": None, "unknown spec": "{", "older": spec.replace("persistence", "gone")}[fault]
        if changed is None:
            registry.client.delete_model_version_tag(MODEL, "1", "recipe")
        else:
            registry.client.set_model_version_tag(MODEL, "1", "recipe", changed)
        reason += ", the champion, cannot be compared with ridge: it"
    said = refused(registry, "ridge")
    assert re.match(reason, said), said
    if fault in ("lost", "damaged", "folder moved"):
        file.unlink() if fault == "damaged" else None
        away.rename(file)
        record = registry.register("ridge", where_the_start_says_little(1))
        assert record["verdict"]["scores"]["difference"]["low"] > 0, "with the cause gone, it is compared"
        assert registry.aliases == {"champion": "2"}
    else:
        assert "dvc repro -f -s register" in retired(registry, said)
        record = registry.register("ridge", where_the_start_says_little(1))
        assert record["verdict"]["reason"] == "there was no champion"
        assert registry.aliases == {"champion": "2"}
        assert registry.versions() == 2, "a retired version stays in the registry"


def test_only_the_champion_can_be_given_up(registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    registry.register("persistence", where_the_start_says_little(1))
    done = CliRunner().invoke(app, ["predictors", "retire", f"{MODEL}/2"])
    assert isinstance(done.exception, TrackingError)
    assert str(done.exception) == (
        f"{MODEL} version 2 is not @champion, which points at version 1: there is nothing to retire"
    )
    assert registry.aliases == {"champion": "1", "challenger": "2"}


def test_a_connection_error_while_the_champion_is_fetched(registry, monkeypatch) -> None:
    registry.register("persistence", where_the_start_says_little(0))

    def refuse(*_args: object, **_more: object) -> str:
        raise ConnectionError("Connection aborted")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.artifacts, "download_artifacts", refuse)
        said = refused(registry, "ridge", UnreachableError)
    assert "does not answer: Connection aborted; run it again when MLflow answers" in said
    assert registry.register("ridge", where_the_start_says_little(1))["version"] == "2"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    """A server that keeps files itself."""
    backend = f"sqlite:///{tmp_path / 'mlflow.db'}"
    connect(backend)._tracking_client.store.engine.dispose()
    running = MlflowServer(backend, tmp_path)
    running.start()
    yield running
    running.kill()


def test_a_server_that_goes_away_between_the_alias_and_the_file(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    remote = Registry(connect(server.uri), tmp_path)
    remote.register("persistence", where_the_start_says_little(0))
    fetch = mlflow.artifacts.download_artifacts

    def fetched(*args: object, **more: object) -> str:
        server.kill()
        return str(fetch(*args, **more))

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.artifacts, "download_artifacts", fetched)
        with pytest.raises(UnreachableError) as raised:
            remote.register("ridge", where_the_start_says_little(1))
    assert re.search(
        rf"{MODEL} version 1: .*{server.uri} does not answer: .*; run it again", str(raised.value)
    )
    assert "\n" not in str(raised.value)
    server.start()
    assert (remote.aliases, remote.versions()) == ({"champion": "1"}, 1)
    record = remote.register("ridge", where_the_start_says_little(1))
    assert record["verdict"]["scores"]["difference"]["low"] > 0
    assert remote.aliases == {"champion": "2"}
    lost = server.folder_of_files / "1" / "models"
    lost.rename(lost.with_name("away"))
    with pytest.raises(
        TrackingError, match=rf"{MODEL} version 2: .*No such file.*give it up: mlpf-hpo predictors"
    ):
        remote.register("persistence", where_the_start_says_little(2))


def test_an_alias_that_moves_meanwhile_is_left_there(registry) -> None:
    registry.register("persistence", where_the_start_says_little(0))
    registry.register("persistence", where_the_start_says_little(1))
    met, new = (registry.client.get_model_version(MODEL, number) for number in ("2", "1"))
    registry.client.delete_registered_model_alias(MODEL, "champion")
    with pytest.raises(
        TrackingError, match="was moved from version 2 to no version while version 1 was compared"
    ):
        promote(registry.client, new, "champion", met)
    assert registry.aliases == {}


def test_the_record_is_of_the_alias_as_it_stands(registry, tmp_path: Path) -> None:
    params = SEARCH.model_copy(update={"campaign": SEARCH.campaign.model_copy(update={"epochs": 6})})
    file, scope = tmp_path / "champion.json", search_scope(params)
    with pytest.raises(TrackingError, match=rf"has no {scope.model}@champion.*\(dvc repro -f -s register\)$"):
        record_champion(params)
    with pytest.raises(MissingInputError, match="the stage `champion` makes it"):
        load_champion(scope, file)
    registry.register("persistence", of_the_space(n=20))
    first = record_champion(params)
    assert record_champion(params) == first, "equal records mean that nothing runs again"
    assert (
        summary(first) == f"champion: {scope.model}@champion is version 1: persistence, fitted on 19 curves"
    )
    registry.register("persistence", of_the_space(n=22))
    write_record(file, record_champion(params))
    predictor, version = load_champion(scope, file)
    assert (str(version.version), predictor.n_epochs) == ("2", 6)
    registry.client.set_registered_model_alias(scope.model, "champion", "1")
    assert record_champion(params) == first
    assert str(load_champion(scope, file)[1].version) == "2", (
        "what is on record is loaded, not what is champion now"
    )
    registry.client.set_model_version_tag(scope.model, "2", "sha256", "0" * 64)
    with pytest.raises(TrackingError, match=r"version 2, the champion by .*, has another content than that"):
        load_champion(scope, file)
    registry.client.delete_model_version(scope.model, "2")
    with pytest.raises(TrackingError, match=r"is not there any more .*: dvc repro champion$"):
        load_champion(scope, file)
    write_record(file, record_champion(params))
    assert str(load_champion(scope, file)[1].version) == "1"
    registry.client.delete_model_version(scope.model, "1")
    assert registry.aliases_of(scope.model) == {}
    with pytest.raises(TrackingError, match=rf"has no {scope.model}@champion"):
        record_champion(params)


def test_a_search_of_another_length_is_told_whose_champion_there_is(registry, tmp_path: Path) -> None:
    registry.register("persistence", of_the_space(n=20))
    other = Params.model_validate({"search": {"max_epochs": 9}, "campaign": {"epochs": 6}})
    there = f"{search_scope(SEARCH).model}@champion"
    with pytest.raises(
        TrackingError, match=rf"max_epochs \(9\) must equal campaign\.epochs \(6\).*it has {there}$"
    ):
        record_champion(other)
    file = tmp_path / "champion.json"
    write_record(file, record_champion(SEARCH))
    with pytest.raises(
        ConfigurationError, match=r"this search needs one of curve-predictor-val-loss-9-epochs-"
    ):
        load_champion(search_scope(other), file)
    file.write_text(file.read_text().replace("persistence", "ridge"))
    with pytest.raises(DataError, match=r"champion\.json: damaged"):
        load_champion(search_scope(SEARCH), file)
