"""The choice of a predictor within the rows that it may learn from: persistence stays unless it is beaten.

Candidates are judged on curves that no model of theirs was fitted on. Who is worse than persistence in any
of four ways - the order, the order of the best, errors of logarithms, squared errors - is out. Of the others,
who ranks better by more than one standard error is chosen, the one that is furthest beyond first; if nobody
does, who has smaller errors, again by more than one standard error. It is then followed as far as its
gain is sure (`CurvePredictor.shrink`). Decision 0016 says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlpf_hpo.curves.row_order import by_content
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.gain import Measure, accuracy, blocks_of, gain, order
from mlpf_hpo.predictors.regressors.ensemble import coefficient_of_determination
from mlpf_hpo.predictors.scoring import grouped_folds
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Mode

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PERSISTENCE = "persistence"
SELECTED = "selected"
"""In tables of scores: whoever was chosen anew within the training rows."""


def _order_of_the_best(true: FloatArray, predicted: FloatArray, mode: Mode) -> float:
    """Return Kendall's tau with pairs weighted by the places of their members, best first (Vigna 2015).

    Of equal values the one with the better partner takes the better place, in either ranking, and the mean
    over both rankings is returned: the order of the rows does not matter.
    """
    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return 0.0
    sign = -1.0 if mode == "min" else 1.0
    return float(stats.weightedtau(sign * true, sign * predicted).statistic)


CRITERIA: dict[str, Measure] = {
    "spearman": order,
    "r2": coefficient_of_determination,
    "log_mae": accuracy,
}


def measures(mode: Mode) -> dict[str, Measure]:
    """Return all ways in which a candidate may be better or worse than another, by name."""
    return {**CRITERIA, "order of the best": partial(_order_of_the_best, mode=mode)}


@dataclass(frozen=True)
class Selection:
    """A predictor chosen, and what that rests on.

    Attributes
    ----------
    winner : str
    criterion : mapping
        Of each candidate, on curves that its models did not see.
    reason : str
        A clause in words.
    """

    winner: str
    criterion: dict[str, float]
    reason: str


def is_choice(candidates: Sequence[str]) -> bool:
    """Tell whether there is anything to choose: who is alone is used as it is, without `shrink`."""
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
        Full curves to fit on, and the same curves as they stand at the decision.
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
    """
    names = tuple(candidates or params.candidates)
    folds = list(grouped_folds(groups, min(params.inner_folds, len(np.unique(groups))), seed))
    predicted = {
        name: out_of_fold(
            partial(make_predictor, name, params, derive_seed(seed, name), [known_epochs], folds=0),
            *(frame, seen, y, groups, folds),
        )
        for name in names
    }
    return choose_by_predictions(predicted, y, groups, params.criterion, mode)


def out_of_fold(
    make: Callable[[], CurvePredictor],
    frame: pd.DataFrame,
    seen: pd.DataFrame,
    y: FloatArray,
    groups: NDArray[Any],
    folds: Iterable[tuple[IntArray, IntArray]],
) -> FloatArray:
    """Return what predictors say of rows that they were not fitted on, [n].

    Parameters
    ----------
    make : callable
        Gives an unfitted predictor, for every fold a new one.
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
    """Return the chosen predictor, fitted on all curves to answer at every epoch, and why it was chosen."""
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
        winner, params, derive_seed(seed, winner), range(curves.n_epochs), shrink=is_choice(names)
    )
    predictor.fit(frame, curves.final, curves.groups)
    return predictor, why + describe_shrinkage(predictor, known_epochs)


def describe_shrinkage(predictor: CurvePredictor, known_epochs: int) -> str:
    """Return how far a fitted predictor goes at a number of known epochs, in words; empty if all the way."""
    share = predictor.shares_[list(predictor.known_epochs).index(known_epochs)]
    if not predictor.shrink or predictor.name == PERSISTENCE or known_epochs == 0:
        return ""
    return f"; its predictions go {share:.0%} of the way from the last value seen"


def choose_by_predictions(
    predicted: Mapping[str, FloatArray],
    y: FloatArray,
    groups: NDArray[Any],
    criterion: str,
    mode: Mode = "min",
) -> Selection:
    """Choose by out-of-fold predictions, candidate -> [n].

    What stays unless it is beaten is persistence, or the first candidate where that is not among them. Of
    candidates that gain the same, the first is chosen.
    """
    incumbent = PERSISTENCE if PERSISTENCE in predicted else next(iter(predicted))
    ways = measures(mode).values()

    def gained(measure: Measure, name: str, blocks: Sequence[IntArray] = ()) -> tuple[float, float]:
        return gain(measure, y, predicted[name], predicted[incumbent], blocks)

    no_worse = [name for name in predicted if all(gained(measure, name)[0] >= 0 for measure in ways)]
    found = {name: CRITERIA[criterion](y, values) for name, values in predicted.items()}
    blocks = blocks_of(groups)
    for what, measure in ((criterion, CRITERIA[criterion]), ("log error", accuracy)):
        told = [(name, *gained(measure, name, blocks)) for name in no_worse if gained(measure, name)[0] > 0]
        winner, more, error = max(told, key=lambda one: one[1] - one[2], default=(incumbent, 0.0, 0.0))
        if more > error:
            return Selection(
                winner, found, f"{winner} is better than {incumbent} by {what}, {more:.2g} +- {error:.2g}"
            )
    nothing = f"nothing is better than {incumbent} by more than a standard error and worse in no way"
    return Selection(incumbent, found, nothing)
