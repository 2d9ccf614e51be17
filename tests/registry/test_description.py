"""What people read of a registered predictor, and the picture beside it, in a real registry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.image
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from mlpf_hpo.config import Params
from mlpf_hpo.curves.dataset import curves_file_digest, write_curves
from mlpf_hpo.errors import DataError
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.registry.predictor_runs import compare_predictors
from mlpf_hpo.registry.registration import register_winner
from tests.registry.registered import Registry, registry, uri, where_the_start_says_little

__all__ = ["registry", "uri"]

PARAMS = Params.model_validate(
    {"predictors": {"candidates": ["persistence", "ridge"], "outer_folds": 3, "inner_folds": 2}}
)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Compare predictors as the stage does."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        table = where_the_start_says_little()
        values = table.values.copy()
        values[5, 3:] = np.nan
        write_curves(
            type(table)(**{**vars(table), "metrics": {"val/loss": values}}), folder / "curves.parquet"
        )
        content = compare_predictors(
            PARAMS.predictors, PARAMS.seed, folder / "curves.parquet", folder / "models"
        )
    write_record(folder / "predictors.json", content)
    return content, folder


def register(folder: Path) -> dict[str, Any]:
    files = (folder / "predictors.json", folder / "models", folder / "curves.parquet")
    return register_winner(PARAMS.predictors, PARAMS.seed, PARAMS.space.search_space(), "champion", *files)


def told(scores: dict[str, float]) -> str:
    return "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**scores)


def described(client: MlflowClient, record: dict[str, Any]) -> tuple[str, str]:
    """Return the descriptions of the version and of its registered model."""
    version = client.get_model_version(record["model"], record["registered"]["version"])
    return version.description, client.get_registered_model(record["model"]).description


def test_what_it_predicts_from_what_how_well_on_which_data(registry: Registry, compared) -> None:
    content, folder = compared
    record = register(folder)
    version, model = described(registry.client, record)
    assert content["winner"] == "ridge"
    what, source, quality, data, use, picture, champion = version.split("\n\n")
    assert what.startswith("Predicts val/loss (smaller is better) after 6 epochs. Search space: ")
    assert "hyperparameters and the epochs observed so far, 0 to 5 of them, by ridge" in source
    assert "has an interval (90%)" in source
    for metric, label in (("spearman", "Spearman"), ("top_recall", "recall of the best")):
        ours, last = content["selected"][metric], content["predictors"]["persistence"][metric]
        assert f"{label} {told(ours)}, the last observed value {told(last)}" in quality
    assert "after 2 of 6 epochs" in quality
    assert "3 folds" in quality
    assert f"A share of {told(content['selected']['coverage'])} of the final values" in quality
    digest = curves_file_digest(folder / "curves.parquet")
    assert data == (f"**Fitted on** 39 complete curves of 40 (39 distinct), data set made up, MD5 {digest}.")
    assert use.startswith("**Use it** to rank or to stop trainings")
    assert champion == "**Champion or not**: there was no champion"
    scope, which, *rest = model.split("\n\n")
    assert (scope, which) == (what, "**@champion is version 1.**")
    assert rest == [source, quality, data, use, picture, champion]
    assert max(len(version), len(model)) <= 5000, "as much as MLflow's table holds"


def test_the_picture_is_where_the_description_says(registry: Registry, compared, monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr(
        "mlpf_hpo.registry.description.draw_predicted",
        lambda axis, out, *_: drawn.append(out) or axis.plot(out["true"], out["predicted"], "o"),
    )
    content, folder = compared
    record = register(folder)
    version, _ = described(registry.client, record)
    run_id, path = re.search(r"`runs:/([0-9a-f]{32})/(\S+)`", version).groups()
    experiment = registry.client.get_run(run_id).info.experiment_id
    assert f"(#/experiments/{experiment}/runs/{run_id}/artifacts/{path}?" in version
    assert run_id == record["registered"]["run_id"]
    image = matplotlib.image.imread(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{path}"))
    assert min(image.shape[:2]) > 300
    assert image.std() > 0.02, "not blank"
    (out,) = drawn
    true, predicted = np.array(out["true"]), np.array(out["predicted"])
    from scipy.stats import spearmanr

    assert spearmanr(true, predicted).statistic == pytest.approx(content["selected"]["spearman"]["mean"])
    lower, upper = np.array(out["lower"], dtype=float), np.array(out["upper"], dtype=float)
    covered = ((lower <= true) & (true <= upper)).mean()
    assert covered == pytest.approx(content["selected"]["coverage"]["mean"])


def test_a_rerun_writes_nothing_new(registry: Registry, compared) -> None:
    _, folder = compared
    first = register(folder)
    before = described(registry.client, first)
    changed = registry.client.get_model_version(first["model"], "1").last_updated_timestamp
    register(folder)
    assert register(folder) == first
    assert described(registry.client, first) == before
    registry.client.update_model_version(first["model"], "1", description="there was no champion")
    assert register(folder) == first
    assert described(registry.client, first) == before, "an older description is renewed"
    assert registry.client.get_model_version(first["model"], "1").last_updated_timestamp >= changed


def test_the_model_is_described_by_its_champion(registry: Registry) -> None:
    registry.register("ridge", where_the_start_says_little(0))
    record = registry.register("persistence", where_the_start_says_little(1))
    version, model = described(registry.client, record)
    assert "by persistence" in version
    assert "**@champion is version 1.**" in model
    assert "by ridge" in model
    assert "by persistence" not in model
    registry.client.set_registered_model_alias(record["model"], "champion", "2")
    record = registry.register("persistence", where_the_start_says_little(1))
    _, model = described(registry.client, record)
    assert "**@champion is version 2.**" in model
    assert "by persistence" in model


@pytest.mark.parametrize("fails", ["log_figure", "log_model_artifacts", "create_model_version"])
def test_there_is_no_version_without_its_picture_and_description(
    registry: Registry, compared, monkeypatch, fails
) -> None:
    _, folder = compared

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, fails, refuse)
        with pytest.raises(Exception, match="no space"):
            register(folder)
    assert registry.client.search_model_versions() == []
    record = register(folder)
    assert record["version"] == "1"
    assert described(registry.client, record)[0].endswith("there was no champion")


def test_a_comparison_of_an_older_version_is_made_again(registry: Registry, compared, tmp_path) -> None:
    _, folder = compared
    content = read_record(folder / "predictors.json", "predictors")
    del content["selected_out_of_fold"]
    write_record(tmp_path / "predictors.json", content)
    with pytest.raises(DataError, match=r"predictors.json: written by an older mlpf_hpo; .*dvc repro"):
        register_winner(
            PARAMS.predictors,
            PARAMS.seed,
            PARAMS.space.search_space(),
            "champion",
            tmp_path / "predictors.json",
            folder / "models",
            folder / "curves.parquet",
        )
    assert json.loads((tmp_path / "predictors.json").read_text())["winner"] == "ridge"
