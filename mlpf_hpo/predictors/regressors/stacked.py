"""`Stacked`: hyperparameters and observed epochs in one prediction, by models weighted out of fold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.predictors.jackknife import jackknife_difference, leave_out_blocks, rank_correlation
from mlpf_hpo.predictors.regressors.bounded_change import bound_change, changes_of_others, largest_changes
from mlpf_hpo.predictors.regressors.calibrated_persistence import CalibratedPersistence
from mlpf_hpo.predictors.regressors.cross_fitted_trees import CrossFittedTrees
from mlpf_hpo.predictors.regressors.joint_process import JointProcess
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.predictors.shrinkage import shrinkage_factor
from mlpf_hpo.predictors.value_scale import ValueScale

PRIOR, TREES, PROCESS, CHANGES, PERSISTENCE = "prior", "trees", "process", "changes", "persistence"
"""The models; before the first epoch there are the prior and the trees alone."""

FOLDS = 10
MARGIN = 2.0
"""Last values count as at most so many standard deviations beyond those of the training curves."""

USUAL_SHARE, OUTLIER = 0.75, 10.0
"""A change from the last value to the final one is unusual if it is further from the median change than so
many times the distance within which this share of the changes lies.

The median of the distances instead of a quartile, as robust deviations have it, says nothing where nearly
half of the trainings fail at once and change no more.
"""

LEAST_USUAL = 0.5
"""If less than this share of the training curves would be left, all are fitted on."""

LEAST_ATOM = 0.1
"""A final value that this share of the training curves has in common may be predicted exactly."""

RANK_POWER = 2.0
"""Weights go with this power of one over the distance of the rank correlation from 1."""

NEARLY_1 = 1e-4
"""Rank correlations nearer to 1 are taken as equal."""


class Stacked(RegressorMixin, BaseEstimator):
    """Weighted mean of models of the configuration, of the curve, and of both, made to rank.

    Models, on the scale of `ValueScale`: persistence, calibrated (`CalibratedPersistence`); a process of the
    hyperparameters, and one of both (`JointProcess`); trees of both for the value and for its difference from
    the last one; before the first epoch trees of the hyperparameters. Their weights go with ``(1 - r)^-2``, r
    the out-of-fold rank correlation with the final values: found by least squares, the weights of five models
    on 20 rows would be mostly noise. Where persistence ranks better than the process of the hyperparameters
    by more than a standard error, the mean is shrunk toward it by the factor of `shrinkage_factor`,
    wholly unless it ranks better: late in a training the curve decides alone until all models together are
    surely better.

    What cannot be foreseen, such as a restart after the observed epochs, is not learnt from: configurations
    with a change from the last value to the final one that is further from the median change than `OUTLIER`
    times the upper quartile of such distances are left out of fits and weights. Their out-of-fold predictions
    are those of the models as they are, so that errors, and with them intervals, know of them.

    Beyond the last values of the training curves the models know nothing, and draw a prediction toward them.
    So no curve is predicted to change more from its last value than any training curve that was learnt from
    did, unless that would cost rank out of fold, as it may in the first epochs.

    Trainings that fail alike end at the same value, such as the error of chance. Where a tenth of the
    training curves do, and trees give a curve more than an even chance to be one of them, that value is the
    prediction. Late in a training, where the last values say it as well as these trees, out of fold, curves
    that are at that value stay there.

    Parameters
    ----------
    curve_columns : int
        Trailing columns of X that describe the curve; the last of them is the last observed value.
    random_state : int

    Attributes
    ----------
    weights_ : dict of str to float
        Weight of each model.
    share_ : float
        The shrinkage factor; 1 where nothing is shrunk.
    change_bounds_ : array [2] or None
        Lowest and highest change from the last value to a prediction, see `ValueScale.straightened`.
    oob_prediction_ : array [n]
        Out-of-fold predictions of the training rows.
    """

    shrinks_itself = True
    """`CurvePredictor` shrinks its predictions no further."""

    atom_seen_ = False  # default for model files of older versions, which asked the trees alone
    change_bounds_: FloatArray | None = None  # default for model files of older versions, which had none

    def __init__(self, curve_columns: int = 0, random_state: int = 0) -> None:
        self.curve_columns = curve_columns
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: NDArray[Any] | None = None) -> Self:
        """Fit on X [n, hyperparameters + curve_columns] and final values y [n].

        Rows of one group [n], such as repeats of a configuration, are left out together.
        """
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        target = np.asarray(target, dtype=np.float64)
        last = rows[:, rows.shape[1] - self.curve_columns :][:, -1:]
        self.scale_ = ValueScale(bool((target > 0).all() and (last > 0).all())).fit(target)
        self.varying_ = np.flatnonzero(np.ptp(rows, axis=0) > 0)
        self.n_hyper_ = int((self.varying_ < rows.shape[1] - self.curve_columns).sum())
        self.last_varies_ = bool(self.curve_columns and np.ptp(rows[:, -1]) > 0)
        if len(self.varying_):
            self.ranks_ = RankScale().fit(rows[:, self.varying_])
            self.spreads_ = StandardScaler().fit(self.ranks_.transform(rows[:, self.varying_]))
        scores = self.scale_.transform(last)
        self.bounds_ = scores.min(initial=np.inf) - MARGIN, scores.max(initial=-np.inf) + MARGIN
        z = self.scale_.transform(target)
        labels = np.arange(len(z)) if groups is None else groups
        usual = self._usual(last[:, 0], target, labels) if self.last_varies_ else np.full(len(z), True)
        self._fit_models(rows[usual], z[usual], None if groups is None else labels[usual])
        left_out = self._predictions(rows, usual)
        judged = {name: values[usual] for name, values in left_out.items()}
        self.weights_ = _weights(judged, z[usual])
        late = _last_decides(judged, z[usual], labels[usual])
        self._fit_shrinkage(judged, z[usual], labels[usual], late)
        values = self._bounded_out_of_fold(rows[:, -1], target, self._shrunk(left_out), usual, labels)
        self._fit_atom(rows, target, groups, late)
        self.oob_prediction_ = self._tied(rows, values, training=True)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the predicted final value of each row of X."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        values = self._shrunk(self._predictions(rows))
        if self.change_bounds_ is not None:
            values = bound_change(values, rows[:, -1], self.change_bounds_, self.scale_)
        return self._tied(rows, values)

    def __sklearn_tags__(self) -> object:
        """Declare poor scores on arbitrary data to scikit-learn: it is made for ranks."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def _fit_models(self, rows: FloatArray, z: FloatArray, groups: NDArray[Any] | None) -> None:
        scaled = self._scaled(rows)
        self.models_: dict[str, Any] = {}
        if self.n_hyper_:
            self.models_[PRIOR] = JointProcess(folds=FOLDS).fit(scaled[:, : self.n_hyper_], z, groups)
        if len(self.varying_):
            self.models_[TREES] = self._trees(scaled, z, groups)
        if self.last_varies_:
            self.models_[PROCESS] = JointProcess(1, folds=FOLDS).fit(self._with_last(scaled), z, groups)
            self.models_[CHANGES] = self._trees(scaled, z - self._last(rows), groups)
            self.models_[PERSISTENCE] = CalibratedPersistence(FOLDS).fit(self._lines(rows, scaled), z, groups)

    def _usual(self, last: FloatArray, target: FloatArray, labels: NDArray[Any]) -> BoolArray:
        """Return which rows to fit on, [n]: all but those of configurations with an unusual change."""
        begin, end = self.scale_.straightened(last), self.scale_.straightened(target)
        away = np.abs(end - begin - np.median(end - begin))
        width = np.quantile(away, USUAL_SHARE)
        usual = ~np.isin(labels, labels[away > OUTLIER * width])
        return usual if width > 0 and usual.mean() >= LEAST_USUAL else np.full(len(target), True)

    def _predictions(self, rows: FloatArray, training: BoolArray | None = None) -> dict[str, FloatArray]:
        """Return each model's predictions on the scale, [n]; of `training` rows [n] those out of fold."""
        scaled = self._scaled(rows)
        inputs = {
            PRIOR: lambda: scaled[:, : self.n_hyper_],
            TREES: lambda: scaled,
            PROCESS: lambda: self._with_last(scaled),
            CHANGES: lambda: scaled,
            PERSISTENCE: lambda: self._lines(rows, scaled),
        }
        new = np.ones(len(rows), dtype=np.bool_) if training is None else ~training
        found: dict[str, FloatArray] = {}
        for name, model in self.models_.items():
            found[name] = np.empty(len(rows))
            if training is not None:
                found[name][training] = model.oob_prediction_
            if new.any():
                found[name][new] = model.predict(inputs[name]()[new])
        if CHANGES in found:
            found[CHANGES] = self._last(rows) + found[CHANGES]
        return found or {"constant": np.zeros(len(rows))}

    def _mean(self, found: dict[str, FloatArray]) -> FloatArray:
        return np.asarray(sum(self.weights_[name] * values for name, values in found.items()))

    def _shrunk(self, found: dict[str, FloatArray]) -> FloatArray:
        """Return the models' mean, shrunk toward persistence, as final values, [n]."""
        mean = self._mean(found)
        if self.share_ < 1:
            mean = found[PERSISTENCE] + self.share_ * (mean - found[PERSISTENCE])
        return self.scale_.inverse_transform(mean)

    def _bounded_out_of_fold(
        self, last: FloatArray, target: FloatArray, values: FloatArray, usual: BoolArray, groups: NDArray[Any]
    ) -> FloatArray:
        """Find the bounds of changes, and return out-of-fold predictions within those of other groups."""
        self.change_bounds_ = None
        if not self.last_varies_:
            return values
        changes = self.scale_.straightened(target) - self.scale_.straightened(last)
        bounded = bound_change(values, last, changes_of_others(changes, usual, groups), self.scale_)
        before, after = (rank_correlation(target[usual], found[usual]) for found in (values, bounded))
        if after < before:
            return values
        self.change_bounds_ = largest_changes(changes, usual)
        return bounded

    def _tied(self, rows: FloatArray, values: FloatArray, training: bool = False) -> FloatArray:
        """Return values [n], or the atom for curves that end there."""
        if self.atom_seen_:
            return np.where(rows[:, -1] == self.atom_, self.atom_, values)
        if self.atom_trees_ is None:
            return values
        chance = (
            self.atom_trees_.oob_prediction_ if training else self.atom_trees_.predict(self._scaled(rows))
        )
        return np.where(chance > 0.5, self.atom_, values)

    def _fit_shrinkage(
        self, left_out: dict[str, FloatArray], z: FloatArray, groups: NDArray[Any], late: bool
    ) -> None:
        self.share_ = 1.0
        if late:
            mean, persistence = self._mean(left_out), left_out[PERSISTENCE]
            better = rank_correlation(z, mean) > rank_correlation(z, persistence)
            self.share_ = shrinkage_factor(z, mean, persistence, groups) if better else 0.0

    def _fit_atom(
        self, rows: FloatArray, target: FloatArray, groups: NDArray[Any] | None, late: bool
    ) -> None:
        values, counts = np.unique(target, return_counts=True)
        self.atom_, self.atom_trees_, self.atom_seen_ = float(values[counts.argmax()]), None, False
        if max(3, LEAST_ATOM * len(target)) <= counts.max() < len(target) and len(self.varying_):
            ends = target == self.atom_
            trees = self._trees(self._scaled(rows), ends.astype(np.float64), groups)
            wrong = (trees.oob_prediction_ > 0.5) != ends
            misses = (rows[:, -1] == self.atom_) != ends
            self.atom_seen_ = late and bool(misses.sum() <= wrong.sum())
            self.atom_trees_ = None if self.atom_seen_ else trees

    def _trees(self, scaled: FloatArray, z: FloatArray, groups: NDArray[Any] | None) -> CrossFittedTrees:
        return CrossFittedTrees(random_state=self.random_state).fit(scaled, z, groups)

    def _scaled(self, rows: FloatArray) -> FloatArray:
        """Return the ranks of the columns that vary, with a spread of 1, [n, d]."""
        if not len(self.varying_):
            return np.zeros((len(rows), 0))
        return np.asarray(self.spreads_.transform(self.ranks_.transform(rows[:, self.varying_])))

    def _with_last(self, scaled: FloatArray) -> FloatArray:
        return np.hstack([scaled[:, : self.n_hyper_], scaled[:, -1:]])

    def _last(self, rows: FloatArray) -> FloatArray:
        """Return the last observed values on the scale, [n], not far beyond those of the training curves."""
        return np.clip(self.scale_.transform(rows[:, -1]), *self.bounds_)

    def _lines(self, rows: FloatArray, scaled: FloatArray) -> FloatArray:
        return np.column_stack([self._last(rows), scaled[:, -1]])


def _last_decides(left_out: dict[str, FloatArray], z: FloatArray, groups: NDArray[Any]) -> bool:
    """Return whether persistence ranks better than hyperparameters by more than a standard error."""
    if PERSISTENCE not in left_out:
        return False
    persistence, prior = left_out[PERSISTENCE], left_out.get(PRIOR, np.zeros(len(z)))
    more, error = jackknife_difference(rank_correlation, z, persistence, prior, leave_out_blocks(groups))
    return more > error


def _weights(found: dict[str, FloatArray], z: FloatArray) -> dict[str, float]:
    """Return the weight of each model by the rank correlation of its predictions."""
    raw = {
        name: (1 - rank_correlation(z, values) + NEARLY_1) ** -RANK_POWER for name, values in found.items()
    }
    return {name: one / sum(raw.values()) for name, one in raw.items()}
