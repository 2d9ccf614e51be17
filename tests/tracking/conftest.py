"""A real MLflow store on SQLite; its schema takes seconds, so the tests share one."""

from __future__ import annotations

import pytest

from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter

CONFIGURATION = {
    "lr": 3.5e-4,
    "n_glayers_id": 2,
    "n_glayers_reg": 3,
    "dropout": 0.1,
    "bin_size": 32,
    "output_dim": 32,
    "weight_decay": 1e-4,
}


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="session")
def writer(uri: str) -> RunWriter:
    return RunWriter(connect(uri))


@pytest.fixture
def open_trial(writer: RunWriter, request: pytest.FixtureRequest):
    """Return a function that opens a trial's run in a campaign of this test's own."""
    campaign_id = request.node.name[-30:].replace("[", "").replace("]", "")
    parent = writer.open_parent("campaign", campaign_id, "campaign-x", {"a": "b"}, {"trials": 2}, "a note")

    def opened(key: str = "k0", trial_id: str = "t000", writer: RunWriter = writer) -> str:
        return writer.open_trial(
            parent, "campaign", campaign_id, trial_id, key, CONFIGURATION, 7, {"hardware_label": "here"}, "d1"
        )

    opened.campaign_id, opened.parent = campaign_id, parent  # type: ignore[attr-defined]
    return opened
