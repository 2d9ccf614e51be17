"""Scikit-learn's forests, made for many fits on few rows, and stored as a few arrays.

A predictor that answers after every epoch holds a forest an epoch. Written tree by tree its file takes
hundreds of megabytes and many seconds to look through; all nodes of a forest in one array take milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._criterion import MSE
from sklearn.tree._splitter import RandomSplitter
from sklearn.tree._tree import DepthFirstTreeBuilder, Tree

from mlpf_hpo.array_types import FloatArray

LEAF = -1
"""In the place of a child."""

DEEPEST = np.iinfo(np.int32).max
ONE_OUTPUT = np.ones(1, dtype=np.intp)

OWN = ("tree_", "random_state")
"""What the trees of a forest do not have in common."""


class _Packed:
    """Forests of one target whose state holds the nodes of all trees in one array.

    On few rows a quarter of scikit-learn's time goes into cloning the first tree, parameter by parameter, for
    every tree; here it is copied.
    """

    def _validate_estimator(self) -> None:
        super()._validate_estimator()  # type: ignore[misc]
        self._seedling: DecisionTreeRegressor = super()._make_estimator(append=False)  # type: ignore[misc]

    def _make_estimator(self, append: bool, random_state: np.random.RandomState) -> DecisionTreeRegressor:
        del append  # fit does that itself
        tree = copy(self._seedling)
        tree.random_state = random_state.randint(np.iinfo(np.int32).max)
        return tree

    def __getstate__(self) -> dict[str, Any]:
        state = dict(cast(dict[str, Any], super().__getstate__()))  # which may be the object's own
        state.pop("_seedling", None)
        trees = state.pop("estimators_", None)
        return state if trees is None else {**state, "packed": _pack(trees)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        rest = {name: value for name, value in state.items() if name != "packed"}
        if "packed" in state:
            rest["estimators_"] = list(_unpacked(state["packed"], state["n_features_in_"]))
        super().__setstate__(rest)  # type: ignore[misc]


class Forest(_Packed, RandomForestRegressor):
    """A random forest."""


class ExtraTrees(_Packed, ExtraTreesRegressor):
    """Extremely randomised trees."""

    def grow(self, rows: FloatArray, target: FloatArray, generator: np.random.RandomState) -> Self:
        """Fit on finite rows [n, d] and targets [n], as `fit` does, to the bit, in a fourth of the time.

        Of few rows a tree takes less time to grow than scikit-learn to look at every tree's parameters, and
        to make a generator for it. Only their number, the size of leaves and the seed are used: no bootstrap,
        all columns at every split. The generator is seeded anew: its state does not matter.
        """
        narrow, column = rows.astype(np.float32), np.array(target, dtype=np.float64)[:, np.newaxis]
        n, self.n_features_in_ = rows.shape
        self.n_outputs_ = 1
        self._validate_estimator()
        leaf = self.min_samples_leaf
        generator.seed(self.random_state)
        self.estimators_ = [self._make_estimator(False, generator) for _ in range(self.n_estimators)]
        for tree in self.estimators_:
            generator.seed(tree.random_state)
            splitter = RandomSplitter(MSE(1, n), self.n_features_in_, leaf, 0.0, generator, None)
            builder = DepthFirstTreeBuilder(splitter, 2 * leaf, leaf, 0.0, DEEPEST, 0.0)
            tree.tree_ = Tree(self.n_features_in_, ONE_OUTPUT, 1)
            builder.build(tree.tree_, narrow, column, None, None)
            tree.n_features_in_ = tree.max_features_ = self.n_features_in_
            tree.n_outputs_ = 1
        return self


def _pack(trees: list[DecisionTreeRegressor]) -> dict[str, Any]:
    states = [tree.tree_.__getstate__() for tree in trees]
    return {
        "common": {name: value for name, value in vars(trees[0]).items() if name not in OWN},
        "seeds": np.array([tree.random_state for tree in trees], dtype=np.int64),
        "sizes": np.array([state["node_count"] for state in states], dtype=np.int64),
        "depths": np.array([state["max_depth"] for state in states], dtype=np.int64),
        "nodes": np.concatenate([state["nodes"] for state in states]),
        "values": np.concatenate([state["values"] for state in states]),
    }


def _unpacked(packed: dict[str, Any], n_features: int) -> Iterable[DecisionTreeRegressor]:
    """Yield the trees of a forest that sees `n_features` columns.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or a walk through a tree would leave them or the columns.
    """
    sizes = packed["sizes"]
    if not (sizes > 0).all() or not sizes.sum() == len(packed["nodes"]) == len(packed["values"]):
        raise ValueError("the trees' sizes are not those of their nodes")
    ends = np.cumsum(sizes)[:-1]
    parts = np.split(packed["nodes"], ends), np.split(packed["values"], ends)
    for nodes, values, depth, seed in zip(*parts, packed["depths"], packed["seeds"], strict=True):
        if not _is_sound(nodes, n_features):
            raise ValueError("a tree leads out of its own nodes")
        inner = Tree(n_features, ONE_OUTPUT, 1)
        inner.__setstate__(
            {"max_depth": int(depth), "node_count": len(nodes), "nodes": nodes, "values": values}
        )
        tree = DecisionTreeRegressor()
        vars(tree).update(packed["common"], tree_=inner, random_state=int(seed))
        yield tree


def _is_sound(nodes: NDArray[Any], n_features: int) -> bool:
    """Return whether every walk from the root stays within the nodes and features, and ends.

    Scikit-learn follows these numbers without a look at the arrays' ends. It numbers nodes so that children
    come after their parent.
    """
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = np.flatnonzero(left != LEAF)
    children = np.concatenate([left[inner], right[inner]])
    return bool(
        np.all(children > np.tile(inner, 2))
        and np.all(children < len(nodes))
        and np.all((feature[inner] >= 0) & (feature[inner] < n_features))
    )
