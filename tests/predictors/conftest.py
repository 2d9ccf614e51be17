"""The published solutions and curves, for tests that reproduce what is on record."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer


@dataclass(frozen=True)
class PublishedStudy:
    """Solutions that a D-Wave Advantage returned, and the quantile-transformed table they were trained on."""

    methods: list[str]
    singles: list[dict[str, Any]]
    ensembles: list[dict[str, Any]]
    X: np.ndarray
    y: np.ndarray

    @property
    def members(self) -> list[dict[str, Any]]:
        return [member for ensemble in self.ensembles for member in ensemble["members"]]

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return X_train, X_test, y_train, y_test of the paper's split."""
        return train_test_split(self.X, self.y, test_size=0.5, random_state=seed)


def _quantiles(values: np.ndarray) -> np.ndarray:
    return QuantileTransformer(n_quantiles=50, random_state=0).fit_transform(values)


@pytest.fixture(scope="session")
def published() -> PublishedStudy:
    folder = os.environ.get("MLPF_HPO_REFERENCE_DIR")
    if not folder:
        pytest.skip("MLPF_HPO_REFERENCE_DIR is not set: the published curves and solutions are not at hand")
    names = ("qpu_solutions.json", "qpu_solutions_5_9.json")
    first, second = (json.loads(Path(folder, name).read_text()) for name in names)
    curves = pd.read_csv(Path(folder, "mlpf_learning_curves.csv"))
    curves = curves.drop(index=curves["loss_99"].idxmax())
    seen = curves[[f"loss_{epoch}" for epoch in range(0, 25, 2)]].to_numpy()
    final = curves[["loss_98"]].to_numpy()
    return PublishedStudy(
        first["combination_methods"],
        [*first["singles"], *second["singles"]],
        [*first["ensembles"], *second["ensembles"]],
        _quantiles(seen),
        _quantiles(final).ravel(),
    )


def plain_problem(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return X [n_points, 3] and a smooth y within [0, 1]."""
    X = np.random.default_rng(5).uniform(size=(n_points, 3))
    return X, (np.sin(3 * X[:, 0]) + X[:, 1]) / 2


@pytest.fixture
def twenty_points() -> tuple[np.ndarray, np.ndarray]:
    return plain_problem(20)


@pytest.fixture
def sixty_points() -> tuple[np.ndarray, np.ndarray]:
    return plain_problem(60)
