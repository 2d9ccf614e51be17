"""The published curves, split and scaled as the paper did, and what its quantum annealer returned."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer

from mlpf_hpo.curves.readers.csv_table import import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.files import read_json, sha256

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REFERENCE = "MLPF_HPO_REFERENCE_DIR"
"""Environment variable that names the folder of the published files."""

CURVES_FILE = "mlpf_learning_curves.csv"
SOLUTIONS_FILES = ("qpu_solutions.json", "qpu_solutions_5_9.json")
"""Stored solutions of the first five of the paper's ten splits, and of the other five."""

CURVES_SHA256 = "83c7ae6933f20379d8edbb733dbc5a5a463009c99ecb3d6d906459c4c14d7fa6"

HYPERPARAMETERS = (
    "bin_size",
    "dropout",
    "lr",
    "n_glayers_id",
    "n_glayers_reg",
    "output_dim",
    "weight_decay",
)
SEEN = tuple(range(0, 25, 2))
"""Epochs whose losses are the paper's features; the last one is what persistence repeats."""

PAPER_TARGET = 98
"""Epoch that the paper predicts; the curves end one later."""

QUANTILES = 50

SAME = 1e-9
"""Largest difference of a stored quantile from that of the same row."""


def reference_folder() -> Path:
    """Return the folder of the published files.

    Raises
    ------
    MissingInputError
        If `MLPF_HPO_REFERENCE_DIR` is not set, or names no folder.
    """
    named = os.environ.get(REFERENCE, "")
    if not named:
        raise MissingInputError(
            f"{REFERENCE} is not set: this study needs the folder with the published {CURVES_FILE} and "
            f"{' and '.join(SOLUTIONS_FILES)} (github.com/JP-Amboage/performance-pred, Apache-2.0)"
        )
    folder = Path(named)
    if not folder.is_dir():
        raise MissingInputError(f"{REFERENCE} = {named}: no such folder")
    return folder


@dataclass(frozen=True, eq=False)
class PaperSplit:
    """A split of the paper, features and target in quantiles of *all* rows, as it scaled them.

    Attributes
    ----------
    train, test : array of int
        Positions in `PublishedCurves.curves`.
    X_train, y_train, X_test, y_test : arrays
        [n, 13], [n].
    """

    train: IntArray
    test: IntArray
    X_train: FloatArray
    y_train: FloatArray
    X_test: FloatArray
    y_test: FloatArray


@dataclass(frozen=True, eq=False)
class PublishedCurves:
    """The published table.

    Attributes
    ----------
    curves : LearningCurves
        All of its 296 rows, restarts marked.
    """

    curves: LearningCurves

    @classmethod
    def load(cls, folder: Path) -> PublishedCurves:
        """Read and check the table.

        Raises
        ------
        MissingInputError, DataError
            If it is not in `folder`, or is not the published one.
        """
        path = folder / CURVES_FILE
        curves = import_csv(path, HYPERPARAMETERS, "loss_", "published curves")
        if sha256(path) != CURVES_SHA256:
            raise DataError(f"{path}: not the published table (its SHA-256 is {sha256(path)})")
        return cls(curves)

    @cached_property
    def paper_rows(self) -> IntArray:
        """The rows that the paper used: all but the one with the largest last loss."""
        return np.delete(np.arange(len(self.curves)), int(self.curves.final.argmax()))

    @cached_property
    def seen(self) -> FloatArray:
        """Losses at the epochs that a predictor sees, [296, 13]."""
        return self.curves.values[:, SEEN]

    def clean(self, rows: IntArray) -> NDArray[np.bool_]:
        """Return which of `rows` are the first of their configuration that has no restart."""
        complete = np.flatnonzero(self.curves.complete[rows])
        first = np.unique(self.curves.groups[rows][complete], return_index=True)[1]
        mask = np.zeros(len(rows), dtype=bool)
        mask[complete[first]] = True
        return mask

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        X, y = self.seen[self.paper_rows], self.curves.values[self.paper_rows, PAPER_TARGET]
        scaled = QuantileTransformer(n_quantiles=QUANTILES, random_state=0).fit_transform(X)
        return scaled, self.to_quantile(y)

    @cached_property
    def _target_scaler(self) -> QuantileTransformer:
        y = self.curves.values[self.paper_rows, PAPER_TARGET]
        return QuantileTransformer(n_quantiles=QUANTILES, random_state=0).fit(y[:, np.newaxis])

    def to_quantile(self, losses: FloatArray) -> FloatArray:
        """Return losses [n] in quantiles of the paper's target over all of its rows."""
        return np.asarray(self._target_scaler.transform(losses[:, np.newaxis]).ravel())

    def to_loss(self, quantiles: FloatArray) -> FloatArray:
        """Return what `to_quantile` made quantiles of; what lies outside of [0, 1] becomes an end."""
        return np.asarray(self._target_scaler.inverse_transform(quantiles[:, np.newaxis]).ravel())

    def split(self, seed: int, points: int) -> PaperSplit:
        """Return the paper's split: half of the rows for the test, of the others the first `points`."""
        train, test = self._halves(seed)
        return self._split_at(train[:points], test)

    def split_of(self, solution: Mapping[str, Any]) -> PaperSplit:
        """Return the split of a stored solution, with the rows that it was trained on.

        They are found by their values: a single was trained on 20 rows that the paper's notebook drew from
        the first 79 of the training half, an ensemble on the first 80.

        Raises
        ------
        DataError
            If a training row of the solution is not among those of its split.
        """
        train, test = self._halves(solution["split_seed"])
        X, y = self._scaled
        rows = np.column_stack([X[train], y[train]])
        members = solution.get("members", [solution])
        stored = np.concatenate([np.column_stack([one["X_train"], one["y_train"]]) for one in members])
        same = np.abs(stored[:, np.newaxis] - rows).max(axis=-1) < SAME
        if not same.any(axis=1).all():
            raise DataError(
                f"split {solution['split_seed']}: a stored training row is none of the published curves"
            )
        return self._split_at(train[same.argmax(axis=1)], test)

    def _halves(self, seed: int) -> tuple[IntArray, IntArray]:
        train, test = train_test_split(np.arange(len(self.paper_rows)), test_size=0.5, random_state=seed)
        return train, test

    def _split_at(self, train: IntArray, test: IntArray) -> PaperSplit:
        X, y = self._scaled
        rows = self.paper_rows
        return PaperSplit(rows[train], rows[test], X[train], y[train], X[test], y[test])


@dataclass(frozen=True, eq=False)
class PublishedSolutions:
    """What a D-Wave Advantage returned for the paper.

    Attributes
    ----------
    methods : list of str
        The paper's names of the seven ways to combine samples.
    singles, ensembles : list of dict
        Stored solutions: see the repository's description.
    """

    methods: Sequence[str]
    singles: Sequence[dict[str, Any]]
    ensembles: Sequence[dict[str, Any]]

    @classmethod
    def load(cls, folder: Path) -> PublishedSolutions:
        """Read the stored solutions.

        Raises
        ------
        MissingInputError, DataError
            If they are not in `folder`, or cannot be read.
        """
        first, second = (cls._read(folder / name) for name in SOLUTIONS_FILES)
        return cls(first.methods, [*first.singles, *second.singles], [*first.ensembles, *second.ensembles])

    @classmethod
    def _read(cls, path: Path) -> PublishedSolutions:
        stored = read_json(path, "published", f"put the published {path.name} there")
        try:
            return cls(stored["combination_methods"], stored["singles"], stored["ensembles"])
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: not the published solutions: {error!r} is missing") from None
