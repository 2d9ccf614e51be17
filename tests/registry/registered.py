"""A real registry, and winners of comparisons that are registered in it as the stage `register` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlflow
import numpy as np
import pytest
import skops.io
from mlflow import MlflowClient

from mlpf_hpo.config import Params
from mlpf_hpo.config.champion import search_scope
from mlpf_hpo.curves.dataset import curves_file_digest, write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import sha256, write_record
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.scoring import METRICS
from mlpf_hpo.registry.champion import champion_record
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.registration import register_winner
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking.client import connect
from tests.faults.artefacts import curves

PARAMS = Params.model_validate(
    {"predictors": {"candidates": ["persistence", "ridge", "svr"], "criterion": "spearman"}}
)
KNOWN = 2


def where_the_start_says_little(seed: int = 0, n_epochs: int = 6, n: int = 40) -> LearningCurves:
    """Return curves whose end follows from lr: ridge finds it, the last value seen does not."""
    table = curves(n, n_epochs, seed)
    drop = np.random.default_rng(100 + seed).uniform(0, 6, (n, 1))
    values = 3 + np.log(table.configs["lr"].to_numpy())[:, None] / 4 + drop * np.exp(-np.arange(n_epochs))
    return replace(table, metrics=MappingProxyType({"val/loss": values}))


def scores_of(mean: float) -> dict[str, dict[str, float]]:
    return {metric: {"mean": mean, "low": mean - 0.1, "high": mean + 0.1} for metric in METRICS}


@dataclass
class Registry:
    """A registry, and how the stage before leaves a winner for it."""

    client: MlflowClient
    folder: Path

    def register(self, name: str, table: LearningCurves, params: Params = PARAMS) -> dict[str, Any]:
        """Fit a predictor as the stage `predictors` does, and register it."""
        comparison, models, curves_file = self.files
        write_curves(table, curves_file)
        known, final = range(table.n_epochs), table.final[table.complete]
        predictor = make_predictor(name, params.predictors, 0, known, folds=2)
        predictor.fit(table.frame(), table.final, table.groups)
        models.mkdir(exist_ok=True)
        (models / f"{name}.skops").write_bytes(skops.io.dumps(predictor))
        content = {
            "winner": name,
            "models": {name: sha256(models / f"{name}.skops")},
            "predictors": {one: scores_of(0.9) for one in (name, "persistence")},
            "selected": scores_of(0.5),
            "selected_out_of_fold": {
                "true": final.tolist(),
                "predicted": (final + 0.1).tolist(),
                "lower": [None] * len(final),
                "upper": (final + 0.2).tolist(),
            },
            "outer_folds": params.predictors.outer_folds,
            "coverage": params.predictors.coverage,
            "dataset_digest": curves_file_digest(curves_file),
            "settings": stable_hash(params.predictors.model_dump(mode="json"), 8),
            "known_epochs": KNOWN,
            "n_epochs": table.n_epochs,
            "rows": len(table),
            "curves": len(table),
            "source": table.source,
            "seed": params.seed,
            "criterion": params.predictors.criterion,
            "sampling": {},
        }
        write_record(comparison, content)
        return register_winner(
            params.predictors,
            params.seed,
            params.space.search_space(),
            params.search.champion,
            comparison,
            models,
            curves_file,
        )

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """Return the comparison, the folder of models and the curves."""
        return self.folder / "predictors.json", self.folder / "models", self.folder / "curves.parquet"

    @property
    def aliases(self) -> dict[str, str]:
        return self.aliases_of(MODEL)

    def aliases_of(self, model: str) -> dict[str, str]:
        found = self.client.get_registered_model(model).aliases
        return {alias: str(version) for alias, version in found.items()}

    def versions(self) -> int:
        return len(self.client.search_model_versions(f"name = '{MODEL}'"))

    def predictor_runs(self) -> list[tuple[str, str]]:
        """Return the runs of predictors, and how they stand."""
        experiment = self.client.get_experiment_by_name("mlpf/predictors")
        found = self.client.search_runs([experiment.experiment_id])
        return sorted((run.info.run_id, run.info.status) for run in found)

    def model_file(self, version: str) -> Path:
        """Return where the model file of a version lies."""
        (file,) = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}")).glob("*.skops")
        return file


MODEL = ChampionScope.of_curves(where_the_start_says_little(), PARAMS.space.search_space()).model
"""Registered model of predictors of these curves."""


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = connect(uri)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    return Registry(client, tmp_path)


def record_champion(params: Params) -> dict[str, Any]:
    """Return what the stage `champion` writes for these params."""
    return champion_record(search_scope(params), params.search.champion, params.campaign.epochs)
