"""Small trials of MLPF, and an empty database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tuning.task import TrialSpec


def _event(number: int, process: str) -> Event:
    generator = np.random.default_rng([number, len(process)])
    n = int(generator.integers(10, 25))
    pt, eta, phi = generator.exponential(5, n), generator.normal(0, 2, n), generator.uniform(-3, 3, n)
    features = np.zeros((n, 12), np.float32)
    features[:, 0] = np.sort(generator.integers(1, 3, n))[::-1]
    features[:, 1:6] = np.column_stack([pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)])
    targets = np.zeros((n, 7), np.float32)
    targets[:, 0] = generator.integers(0, 6, n)
    targets[:, 1] = generator.integers(-1, 2, n)
    targets[:, 2:] = features[:, 1:6]
    jets, met = np.zeros((0, 4), np.float32), np.zeros(2, np.float32)
    return Event(features, targets, None, number, process, 0.0, jets, met)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a training and a validation store with a few made-up events."""
    folder = tmp_path_factory.mktemp("events")
    train, validation = folder / "train", folder / "validation"
    write_store(train, [_event(i, "ttbar") for i in range(10)], {})
    write_store(validation, [_event(i, "qcd") for i in range(4)], {})
    return train, validation


@pytest.fixture(scope="session")
def make_spec(stores: tuple[Path, Path]) -> Callable[..., TrialSpec[MLPFTask]]:
    """Return a maker of small trials; keyword arguments change the configuration."""
    widths = {"class_head": (8,), "charge_head": (8,), "regression_head": (8,)}
    network = NetworkParams(embedding_dim=8, hash_columns=16, **widths)

    def make(trial_id: str = "t000", seed: int = 7, **changed: float) -> TrialSpec[MLPFTask]:
        configuration = {
            "lr": 1e-3,
            "n_glayers_id": 1,
            "n_glayers_reg": 1,
            "dropout": 0.3,
            "bin_size": 8,
            "output_dim": 8,
            "weight_decay": 1e-4,
        }
        task = MLPFTask.on(*stores, network, TrainingParams(batch_events=4))
        return TrialSpec(trial_id, {**configuration, **changed}, seed, task)

    return make


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow database with nothing but its schema, which takes seconds to make: copy it."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path
