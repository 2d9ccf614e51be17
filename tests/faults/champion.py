"""A small fitted predictor, registered in a real MLflow registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from mlpf_hpo.config.space import SpaceParams
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.tracking.aliases import make_model, promote
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.registry import register_predictor
from mlpf_hpo.tracking.writer import RunWriter
from tests.faults.artefacts import curves


@dataclass(frozen=True)
class Champion:
    """What is registered, and where its files lie."""

    uri: str
    model: str
    run_id: str
    file: Path
    frame: pd.DataFrame
    trusted: list[str]

    @property
    def reference(self) -> str:
        """How it is called."""
        return f"{self.model}@champion"


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Champion:
    """Register a predictor."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    writer = RunWriter(connect(uri))
    run_id = writer.open_parent("predictors", "p", "svr", {}, {}, "a note")
    table = curves()
    whole = table.select(table.complete)
    predictor = make_predictor("svr", PredictorsParams(), 0, [0, 2], folds=2)
    predictor.fit(whole.frame(), whole.final, whole.groups)
    frame, scope = whole.frame(2), ChampionScope.of_curves(table, SpaceParams().search_space())
    make_model(writer.client, scope.model, scope.description, scope.tags)
    version = register_predictor(
        writer.client,
        predictor,
        frame.head(3),
        model=scope.model,
        trusted=trusted_types(),
        run_id=run_id,
        digest="d",
        dataset_path=folder,
        metrics={},
        tags={"predictor": "svr"},
    )
    promote(writer.client, version, "champion")
    source = Path(mlflow.artifacts.download_artifacts(f"models:/{scope.model}/{version.version}"))
    (file,) = source.glob("*.skops")
    return Champion(uri, scope.model, run_id, file, frame, trusted_types())
