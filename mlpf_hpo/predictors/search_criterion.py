"""The criterion `search`: choose a predictor by the epochs that a search spends when it decides by it.

Rows of one fold are searched by promoting the trials with the best *predicted* final values, by a predictor
that was fitted on the rows of other folds only. What counts is the number of epochs, of all trials together,
until one is trained to the end whose regret is at most .02: the distance of its final value from the best of
the searched, in units of their median minus best. It is divided by the number that promotion by last values
(`PromotionASHA`) takes to the same regret on the same configurations in the same order. A predictor that
ranks as the last value does has the ratio 1.

Candidates that take more epochs than the best one, beyond the 95 % interval of the paired ratio, are out. If
others are left beside the best, searches of these curves cannot tell them apart: then the rank correlation of
predicted and final values decides, its mean over all shares of the curve at which a search may ask, the
first epoch not begun among them. There the default (see `criteria`) stays unless another candidate is better
by more than one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.criteria import Selection, check_folds, default_of, is_choice
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.jackknife import jackknife_difference, leave_out_blocks, rank_correlation
from mlpf_hpo.predictors.scoring import grouped_folds
from mlpf_hpo.predictors.search_scores import Predicted, ReplayedEpochs, SearchReplay, SearchScores
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Mode

SEARCH = "search"

Folds = Sequence[tuple[IntArray, IntArray]]
MakePredictor = Callable[[Sequence[int]], CurvePredictor]
"""Makes an unfitted predictor for these numbers of observed epochs."""


def needs_replay(params: PredictorsParams, replay: SearchReplay | None) -> SearchReplay:
    """Return what replays searches.

    Raises
    ------
    ConfigurationError
        If there is nothing, and the criterion is `search`.
    """
    if replay is None:
        raise ConfigurationError(
            f"predictors.criterion: {params.criterion} chooses by replayed searches: pass "
            "replay=mlpf_hpo.PromotionReplay(), or take spearman, r2 or log_mae"
        )
    return replay


def choose_by_search(
    curves: LearningCurves, params: PredictorsParams, seed: int, replay: SearchReplay
) -> Selection:
    """Choose among the candidates of `params` by replayed searches of the given curves.

    Parameters
    ----------
    curves : LearningCurves
        Complete curves.
    params : PredictorsParams
        Inner folds, candidates and their settings.
    seed : int
        Of folds, regressors and searches.
    replay : SearchReplay
        Replays them.

    Raises
    ------
    DataError
        If there are too few curves to fit on without one of the folds.
    """
    groups, names = curves.groups, params.candidates
    folds = list(grouped_folds(groups, min(params.inner_folds, len(np.unique(groups))), seed))
    if is_choice(names):
        check_folds(folds, groups)
    make = candidate_makers(params, seed, curves.mode)
    predicted, epochs = replay_predictors(make, curves, folds, replay, seed)
    winner, scores, reason = choose_by_epochs(epochs, predicted, curves)
    saved = {name: 1.0 - found["mean"] for name, found in scores.epochs_ratio.items()}
    return Selection(winner, saved, reason, shrink=scores.decided_by != SEARCH, search=scores)


def candidate_makers(params: PredictorsParams, seed: int, mode: Mode) -> dict[str, MakePredictor]:
    """Return what makes each candidate of `params`, without folds for intervals."""
    return {
        name: partial(make_predictor, name, params, derive_seed(seed, name), folds=0, mode=mode)
        for name in params.candidates
    }


def replay_predictors(
    make: Mapping[str, MakePredictor],
    curves: LearningCurves,
    folds: Folds,
    replay: SearchReplay,
    seed: int,
) -> tuple[dict[str, Predicted], ReplayedEpochs]:
    """Return predictions of every curve by predictors fitted on other folds, and the searches with them.

    Predictions are made before the first epoch, and after each number of epochs at which a search asks.

    Parameters
    ----------
    make : mapping
        Predictor -> function that makes it.
    curves : LearningCurves
        Complete curves.
    folds : sequence of (train, test)
        Positions of rows; every row is tested once, and no configuration is on both sides.
    replay : SearchReplay
    seed : int
        Of the searches.
    """
    observed = (0, *replay.asked_epochs(curves.n_epochs))
    frame, y, groups = curves.frame(), curves.final, curves.groups
    predicted: dict[str, Predicted] = {
        name: {known: np.full(len(y), np.nan) for known in observed} for name in make
    }
    for train, test in folds:
        searched = curves.select(test)
        for name, maker in make.items():
            model = maker(observed).fit(frame.iloc[train], y[train], groups[train])
            for known in observed:
                predicted[name][known][test] = model.predict(searched.frame(known))
    return predicted, replay.replay(curves, predicted, [test for _, test in folds], derive_seed(seed, SEARCH))


def rank_correlation_over_shares(true: FloatArray, predicted: FloatArray) -> float:
    """Return the mean rank correlation of final values, [n], and predictions at several shares, [n, shares].

    Examples
    --------
    >>> true = np.array([1.0, 2.0, 3.0])
    >>> rank_correlation_over_shares(true, np.array([[5.0, 1.0], [5.0, 2.0], [5.0, 9.0]]))
    0.5
    """
    return float(np.mean([rank_correlation(true, column) for column in predicted.T]))


def choose_by_epochs(
    epochs: ReplayedEpochs, predicted: Mapping[str, Predicted], curves: LearningCurves
) -> tuple[str, SearchScores, str]:
    """Return the candidate that is chosen, the scores of all, and the reason as text."""
    ratios = {name: epochs.ratio(name) for name in predicted}
    best = min(ratios, key=lambda name: ratios[name]["mean"])
    to_best = {name: epochs.ratio(name, best) for name in predicted}
    left = [name for name in predicted if to_best[name]["low"] <= 1]
    ranked = {name: np.column_stack([*by_known.values()]) for name, by_known in predicted.items()}
    scores = SearchScores(
        "search" if len(left) == 1 else "spearman",
        best,
        left,
        ratios,
        to_best,
        {name: rank_correlation_over_shares(curves.final, values) for name, values in ranked.items()},
        list(next(iter(predicted.values()))),
        epochs.searches,
    )
    spent = f"{ratios[best]['mean']:.2f} of the epochs of promotion by last values"
    if len(left) == 1:
        return best, scores, f"searches by {best} take {spent}, those by any other candidate more"
    winner, why = _by_rank_correlation(curves, {name: ranked[name] for name in left})
    named = f"{', '.join(left[:-1])} and {left[-1]}"
    return winner, scores, f"replayed searches cannot tell {named} apart (the best takes {spent}); {why}"


def _by_rank_correlation(curves: LearningCurves, ranked: Mapping[str, FloatArray]) -> tuple[str, str]:
    """Return the candidate that ranks best over all shares, or the default, and the reason as text."""
    default, blocks = default_of(ranked), leave_out_blocks(curves.groups)
    gains = {
        name: jackknife_difference(
            rank_correlation_over_shares, curves.final, values, ranked[default], blocks
        )
        for name, values in ranked.items()
        if name != default
    }
    winner = max(gains, key=lambda name: gains[name][0] - gains[name][1])
    more, error = gains[winner]
    over = f"by Spearman over all shares, {more:+.2g} +- {error:.2g}"
    if more > error:
        return winner, f"{winner} is better than {default} {over}"
    return default, f"nothing is better than {default} by more than a standard error {over}"
