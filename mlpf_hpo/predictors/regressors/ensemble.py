"""`QSVREnsemble`: mean of regressors fitted on disjoint subsets, for devices that hold only a few points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.scoring import squarable

IndexArray = NDArray[np.intp]
Score = Callable[[FloatArray, FloatArray], float]


def coefficient_of_determination(truth: FloatArray, prediction: FloatArray) -> float:
    """Return R² of a prediction; 0 where the truth does not vary, which leaves nothing to explain."""
    truth, prediction = squarable(truth, prediction)
    variation = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - prediction) ** 2).sum()) / variation if variation > 0 else 0.0


def out_of_bag_weights(
    predictions: FloatArray,
    y: FloatArray,
    subsets: Sequence[IndexArray],
    score: Score = coefficient_of_determination,
) -> FloatArray:
    """Return weights in proportion to each member's score on the rows that the other members were trained on.

    Parameters
    ----------
    predictions : array [n_members, n_rows]
        Every member's prediction of every training row.
    y : array [n_rows]
        Targets of the training rows.
    subsets : sequence of index arrays
        The rows that each member was trained on.
    score : callable(truth, prediction) -> float
        Larger is better; R² by default. A negative score counts as 0.

    Returns
    -------
    array [n_members]
        Sums to 1; equal weights when no member has a positive score, or there is one member only.
    """
    scores = np.zeros(len(subsets))
    for member, subset in enumerate(subsets):
        others = np.setdiff1d(np.arange(len(y)), subset)
        if len(others):
            scores[member] = max(0.0, score(y[others], predictions[member, others]))
    total = scores.sum()
    return np.asarray(scores / total) if total > 0 else np.full(len(scores), 1.0 / len(scores))


def equal_weights(predictions: FloatArray, y: FloatArray, subsets: Sequence[IndexArray]) -> FloatArray:
    """Return equal weights: the plain mean of the paper's text."""
    del predictions, y
    return np.full(len(subsets), 1.0 / len(subsets))


def published_r2(truth: FloatArray, prediction: FloatArray) -> float:
    """Return R² as the paper's code called it: the prediction in the place of the truth."""
    return coefficient_of_determination(prediction, truth)


def published_weights(predictions: FloatArray, y: FloatArray, subsets: Sequence[IndexArray]) -> FloatArray:
    """Return the weights of the paper's code, for its numbers: `out_of_bag_weights` by `published_r2`."""
    return out_of_bag_weights(predictions, y, subsets, published_r2)


WEIGHTINGS: dict[str, Callable[[FloatArray, FloatArray, Sequence[IndexArray]], FloatArray]] = {
    "mean": equal_weights,
    "out_of_bag": out_of_bag_weights,
    "paper": published_weights,
}


class QSVREnsemble(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Mean of regressors that were trained on disjoint subsets of the rows.

    Parameters
    ----------
    estimator : regressor or None, default=None
        What each member is a clone of; None stands for `QSVR()`. Any scikit-learn regressor will do.
    members : int, default=4
        Number of subsets; with fewer rows than that, one row each.
    weighting : {"mean", "out_of_bag", "paper"}, default="mean"
        "mean" is the plain mean: the paper's text. "out_of_bag" weights a member by its R² on the other
        members' rows. "paper" does too, with the arguments of R² exchanged: the paper's code.
    shuffle : bool, default=True
        Whether rows are dealt to the members at random; otherwise as consecutive blocks.
    random_state : int, RandomState instance or None, default=0
        Deals the rows, and seeds members that have a `random_state`.

    Attributes
    ----------
    estimators_ : list of fitted regressors
    subsets_ : list of index arrays
        The rows that each member was trained on.
    weights_ : array [n_members]
        The members' weights.
    """

    def __init__(
        self,
        estimator: Any = None,
        members: int = 4,
        weighting: str = "mean",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.estimator = estimator
        self.members = members
        self.weighting = weighting
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit one member per subset of the rows of (X [n_rows, n_features], y [n_rows])."""
        if self.members < 1:
            raise ConfigurationError(f"members = {self.members}: an ensemble needs at least one")
        if self.weighting not in WEIGHTINGS:
            hint, known = did_you_mean(self.weighting, WEIGHTINGS), ", ".join(WEIGHTINGS)
            raise ConfigurationError(
                f"weighting = {self.weighting!r}: no such weighting{hint}; known: {known}"
            )
        rows, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        targets = np.asarray(targets, dtype=np.float64)
        random = check_random_state(self.random_state)
        order = random.permutation(len(rows)) if self.shuffle else np.arange(len(rows))
        self.subsets_ = np.array_split(order, min(self.members, len(rows)))
        self.estimators_ = [self._member(random).fit(rows[part], targets[part]) for part in self.subsets_]
        self.weights_ = WEIGHTINGS[self.weighting](self._predictions(rows), targets, self.subsets_)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the weighted mean of the members' predictions for X [n_rows, n_features]."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.weights_ @ self._predictions(rows))

    def _member(self, random: np.random.RandomState) -> Any:
        member = QSVR() if self.estimator is None else clone(self.estimator)
        if "random_state" in member.get_params():
            member.set_params(random_state=int(random.randint(2**31 - 1)))
        return member

    def _predictions(self, X: FloatArray) -> FloatArray:
        return np.stack([member.predict(X) for member in self.estimators_])
