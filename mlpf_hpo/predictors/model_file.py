"""A predictor's model file, wherever it lies and whoever wrote it: data that is looked through before use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree._tree import Tree

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.tracking.answers import public_uri
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.records import MODEL
from mlpf_hpo.tracking.registry import load_model, model_file
from mlpf_hpo.tracking.versions import ModelVersion, told, version_behind

KERNELS = ("ConstantKernel", "Matern", "Product", "Sum", "WhiteKernel")

TRUSTED_TYPES = (
    "mlpf_hpo.curves.features.CurveFeatures",
    "mlpf_hpo.predictors.curve_predictor.CurvePredictor",
    "mlpf_hpo.predictors.regressors.ensemble.QSVREnsemble",
    "mlpf_hpo.predictors.regressors.gaussian_process.GaussianProcess",
    "mlpf_hpo.predictors.regressors.parametric.ParametricCurve",
    "mlpf_hpo.predictors.regressors.persistence.Persistence",
    "mlpf_hpo.predictors.regressors.qsvr.QSVR",
    "mlpf_hpo.predictors.regressors.ranks.RankScale",
    "mlpf_hpo.predictors.regressors.residual.Residual",
    "mlpf_hpo.predictors.regressors.subsampled.Subsampled",
    *(f"sklearn.gaussian_process.kernels.{kernel}" for kernel in KERNELS),
    "sklearn.tree._tree.Tree",
)
"""Types that a model file may hold, beside those of scikit-learn and numpy that skops trusts.

A tree's arrays are looked through once it is loaded.
"""

LEAF = -1
"""In the place of a child."""


def trusted_types() -> list[str]:
    """Return the types that a predictor's file may hold."""
    return list(TRUSTED_TYPES)


def load_predictor(file: Path) -> CurvePredictor:
    """Load a predictor from a file that need not be ours.

    Raises
    ------
    DataError
        If it is damaged, holds something else, or a tree whose walk would leave its arrays; nothing of it is
        executed.
    """
    model = load_model(file, trusted_types())
    if not isinstance(model, CurvePredictor):
        raise DataError(
            f"{file}: holds a {type(model).__name__}, not a predictor of curves; `mlpf-hpo predictors fit` "
            "writes one"
        )
    if not all(_is_sound(tree) for tree in _trees(model, set())):
        raise DataError(f"{file}: damaged, or not a model of ours: a tree leads out of its own nodes")
    return model


def load_version(version: ModelVersion, uri: str | None = None) -> CurvePredictor:
    """Load the predictor of a registered version.

    Raises
    ------
    TrackingError
        If its file cannot be had, is damaged or holds something else; the message names the version.
    """
    try:
        return load_predictor(model_file(version, uri))
    except DataError as error:
        raise TrackingError(f"{told(version)}: {error}") from None


def load_champion(uri: str | None = None, alias: str = "champion") -> tuple[CurvePredictor, ModelVersion]:
    """Return the predictor that an alias points at, and its version.

    Raises
    ------
    TrackingError
        If there is none (the message says which stage makes one), or it cannot be used.
    """
    version = version_behind(connect(uri), alias)
    if version is None:
        raise TrackingError(
            f"the registry at {public_uri(tracking_uri(uri))} has no {MODEL}@{alias}; the stage `register` "
            "makes one (dvc repro register)"
        )
    return load_version(version, uri), version


def _trees(held: Any, seen: set[int]) -> Iterator[Tree]:
    """Yield the trees that an object holds, however deep."""
    if id(held) in seen:
        return
    seen.add(id(held))
    if isinstance(held, Tree):
        yield held
    elif isinstance(held, dict):
        for value in held.values():
            yield from _trees(value, seen)
    elif isinstance(held, list | tuple) or (isinstance(held, np.ndarray) and held.dtype == object):
        for value in held:
            yield from _trees(value, seen)
    elif hasattr(held, "__dict__"):
        yield from _trees(vars(held), seen)


def _is_sound(tree: Tree) -> bool:
    """Tell whether every walk from the root stays within the nodes and features, and ends.

    Scikit-learn follows these numbers without a look at the arrays' ends. It numbers nodes so that children
    come after their parent.
    """
    nodes = tree.__getstate__()["nodes"]
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = np.flatnonzero(left != LEAF)
    children = np.concatenate([left[inner], right[inner]])
    return (
        len(nodes) == tree.node_count > 0
        and len(tree.value) == tree.node_count
        and bool(np.all(children > np.tile(inner, 2)) and np.all(children < tree.node_count))
        and bool(np.all((feature[inner] >= 0) & (feature[inner] < tree.n_features)))
    )
