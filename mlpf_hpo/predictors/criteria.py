"""Selection criteria: choose a predictor by its out-of-fold predictions; the stacked one is the default.

Candidates are compared on curves that they were not fitted on. One that is worse than the default by any of
four measures (rank correlation, weighted rank correlation, errors of logarithms, squared errors) is excluded.
Of the others, the one with the largest margin is chosen that ranks better by more than one standard error; if
there is none, the one with smaller errors, again by more than one standard error. The default is `stacked`,
which holds persistence among its models, else persistence; other predictions than those of `stacked` are
then shrunk toward persistence (`CurvePredictor.shrink`). Decisions 0016 and 0024 have the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.target_epochs import modelled_epochs
from mlpf_hpo.errors import DataError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.jackknife import (
    Measure,
    jackknife_difference,
    leave_out_blocks,
    negative_log_error,
    rank_correlation,
)
from mlpf_hpo.predictors.out_of_fold import LEAST_ROWS, leaves_groups_out
from mlpf_hpo.predictors.regressors.ensemble import coefficient_of_determination
from mlpf_hpo.predictors.scoring import grouped_folds
from mlpf_hpo.predictors.search_scores import SearchScores
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Mode

PERSISTENCE = "persistence"
STACKED = "stacked"
SELECTED = "selected"
"""Name in tables of scores of the predictor that was chosen within the training rows."""


def _order_of_the_best(true: FloatArray, predicted: FloatArray, mode: Mode) -> float:
    """Return Kendall's tau with pairs weighted by the places of their members, best first (Vigna 2015).

    Ties in either ranking are broken by the other ranking, and the mean over both rankings is returned: the
    order of the rows does not matter.
    """
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    sign = -1.0 if mode == "min" else 1.0
    return float(stats.weightedtau(sign * true, sign * predicted).statistic)


CRITERIA: dict[str, Measure] = {
    "spearman": rank_correlation,
    "r2": coefficient_of_determination,
    "log_mae": negative_log_error,
}


def criterion_at_one_share(criterion: str) -> str:
    """Return the criterion by which candidates are compared at one share of the curve.

    No search is replayed for one share: there `search` means the rank correlation.

    Examples
    --------
    >>> criterion_at_one_share("search"), criterion_at_one_share("r2")
    ('spearman', 'r2')
    """
    return "spearman" if criterion == "search" else criterion


def measures(mode: Mode) -> dict[str, Measure]:
    """Return all measures by which candidates are compared, by name."""
    return {**CRITERIA, "order of the best": partial(_order_of_the_best, mode=mode)}


@dataclass(frozen=True)
class Selection:
    """A chosen predictor, and the criterion and reason of the choice.

    Attributes
    ----------
    winner : str
    criterion : mapping
        Value for each candidate, on curves that it was not fitted on.
    reason : str
        The reason of the choice as text.
    fitted : mapping
        Candidates that were fitted on all rows for the choice, as a chosen one is: no further fit is needed.
    shrink : bool
        Whether the chosen one is followed only as far as its gain is sure, see `CurvePredictor`; one that
        searches were replayed with, and chosen for that, is followed in full.
    search : SearchScores or None
        What replayed searches say, where they were the criterion.
    """

    winner: str
    criterion: dict[str, float]
    reason: str
    fitted: dict[str, CurvePredictor] = field(default_factory=dict)
    shrink: bool = True
    search: SearchScores | None = None


def is_choice(candidates: Sequence[str]) -> bool:
    """Return whether there is more than one candidate; a single one is used without `shrink`."""
    return len(candidates) > 1


def choose(
    frame: pd.DataFrame,
    seen: pd.DataFrame,
    y: FloatArray,
    groups: NDArray[Any],
    known_epochs: int,
    params: PredictorsParams,
    seed: int,
    mode: Mode,
    candidates: Sequence[str] | None = None,
) -> Selection:
    """Choose among candidates by cross-validation within the given rows.

    Parameters
    ----------
    frame, seen : DataFrame [n]
        Full curves to fit on, and the same curves up to the decision point.
    y : array [n]
        Final values.
    groups : array [n]
        Configuration of each row.
    known_epochs : int
        The decision point.
    params : PredictorsParams
        Inner folds, criterion and the candidates' settings.
    seed : int
        Of folds and regressors.
    mode : {"min", "max"}
        Whether small or large values are best.
    candidates : sequence of str, optional
        By default those of `params`.

    Raises
    ------
    DataError
        If there are too few curves to fit on without one of the folds.
    """
    names = tuple(candidates or params.candidates)
    folds = list(grouped_folds(groups, min(params.inner_folds, len(np.unique(groups))), seed))
    if is_choice(names):
        check_folds(folds, groups)
    fitted: dict[str, CurvePredictor] = {}
    predicted: dict[str, FloatArray] = {}
    for name in names:
        make = partial(make_predictor, name, params, derive_seed(seed, name), [known_epochs], mode=mode)
        made = make(shrink=is_choice(names))
        if leaves_groups_out(made.model[-1]):  # one fit leaves out of fold what others are refitted for
            left_out = made.fit(frame, y, groups).epoch_models_[0].out_of_fold_
            if len(left_out) == len(y):
                fitted[name], predicted[name] = made, left_out
                continue
        predicted[name] = out_of_fold(partial(make, folds=0), frame, seen, y, groups, folds)
    criterion = criterion_at_one_share(params.criterion)
    return replace(choose_by_predictions(predicted, y, groups, criterion, mode), fitted=fitted)


def check_folds(folds: Sequence[tuple[IntArray, IntArray]], groups: NDArray[Any]) -> None:
    """Raise DataError if a fold leaves too few curves to fit on."""
    left = min(len(train) for train, _ in folds)
    if left < LEAST_ROWS:
        raise DataError(
            f"{len(groups)} training curves of {len(np.unique(groups))} configurations are too few to choose "
            f"among predictors: without one of {len(folds)} folds {left} would be left, at least "
            f"{LEAST_ROWS} are needed; take more, or name one predictor"
        )


def out_of_fold(
    make: Callable[[], CurvePredictor],
    frame: pd.DataFrame,
    seen: pd.DataFrame,
    y: FloatArray,
    groups: NDArray[Any],
    folds: Iterable[tuple[IntArray, IntArray]],
) -> FloatArray:
    """Return predictions of rows by predictors that were not fitted on them, [n].

    Parameters
    ----------
    make : callable
        Returns a new unfitted predictor for every fold.
    frame, seen, y, groups
        As for `choose`.
    folds : iterable of (train, test)
        Positions of rows; every row is tested once.
    """
    predicted = np.full(len(y), np.nan)
    for train, test in folds:
        model = make().fit(frame.iloc[train], y[train], groups[train])
        predicted[test] = model.predict(seen.iloc[test])
    return predicted


def fit_chosen(
    curves: LearningCurves,
    known_epochs: int,
    params: PredictorsParams,
    seed: int,
    candidates: Sequence[str] | None = None,
) -> tuple[CurvePredictor, str]:
    """Return the chosen predictor, fitted on all curves for all numbers of epochs, and the reason."""
    names, curves = tuple(candidates or params.candidates), by_content(curves)
    frame, seen = curves.frame(), curves.frame(known_epochs)
    winner, why = names[0], ""
    if is_choice(names):
        choice = choose(
            frame, seen, curves.final, curves.groups, known_epochs, params, seed, curves.mode, names
        )
        winner = choice.winner
        why = f"; chosen at {known_epochs} epochs: {choice.reason}"
    predictor = make_predictor(
        winner,
        params,
        derive_seed(seed, winner),
        modelled_epochs(curves),
        shrink=is_choice(names),
        mode=curves.mode,
    )
    predictor.fit(frame, curves.final, curves.groups)
    return predictor, why + describe_shrinkage(predictor, known_epochs)


def describe_shrinkage(predictor: CurvePredictor, known_epochs: int) -> str:
    """Return the shrinkage of a fitted predictor at a number of observed epochs as text; empty if none."""
    share = predictor.epoch_models_[list(predictor.known_epochs).index(known_epochs)].share_
    if not predictor.shrink or predictor.name in (PERSISTENCE, STACKED) or known_epochs == 0:
        return ""
    return f"; its predictions go {share:.0%} of the way from the last value seen"


def default_of(candidates: Iterable[str]) -> str:
    """Return the candidate that stays unless it is beaten: the stacked one, else persistence, else the first.

    Examples
    --------
    >>> default_of(["svr", "persistence"]), default_of(["svr", "ridge"])
    ('persistence', 'svr')
    """
    names = list(candidates)
    return next(name for name in (STACKED, PERSISTENCE, *names) if name in names)


def choose_by_predictions(
    predicted: Mapping[str, FloatArray],
    y: FloatArray,
    groups: NDArray[Any],
    criterion: str,
    mode: Mode = "min",
) -> Selection:
    """Choose by out-of-fold predictions, candidate -> [n].

    Of candidates with equal margins, the first is chosen.
    """
    incumbent = default_of(predicted)
    compared = measures(mode).values()

    def gained(measure: Measure, name: str, blocks: IntArray | None = None) -> tuple[float, float]:
        return jackknife_difference(measure, y, predicted[name], predicted[incumbent], blocks)

    no_worse = [name for name in predicted if all(gained(measure, name)[0] >= 0 for measure in compared)]
    found = {name: CRITERIA[criterion](y, values) for name, values in predicted.items()}
    blocks = leave_out_blocks(groups)
    for what, measure in ((criterion, CRITERIA[criterion]), ("log error", negative_log_error)):
        better = [(name, *gained(measure, name, blocks)) for name in no_worse if gained(measure, name)[0] > 0]
        winner, more, error = max(better, key=lambda one: one[1] - one[2], default=(incumbent, 0.0, 0.0))
        if more > error:
            return Selection(
                winner, found, f"{winner} is better than {incumbent} by {what}, {more:.2g} +- {error:.2g}"
            )
    nothing = f"nothing is better than {incumbent} by more than a standard error and worse in no way"
    return Selection(incumbent, found, nothing)
