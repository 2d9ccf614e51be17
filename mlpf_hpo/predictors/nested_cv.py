"""Select a predictor by nested, grouped cross-validation.

The inner folds choose a predictor; the outer folds score every candidate, and the selection itself, on curves
that were used neither for fitting nor for the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.target_epochs import modelled_epochs, typical_target
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors.criteria import SELECTED, Selection, choose, describe_shrinkage, is_choice
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.scoring import Scores, bootstrap, coverage, grouped_folds, quantile_space, score
from mlpf_hpo.predictors.search_criterion import SEARCH, choose_by_search, needs_replay
from mlpf_hpo.predictors.search_scores import SearchReplay
from mlpf_hpo.predictors.selection_result import OutOfFold, SelectionResult
from mlpf_hpo.predictors.settings import PredictorsParams, least_curves
from mlpf_hpo.seeds import derive_seed

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Observed shares of the curve at which the candidates are scored."""


def known_epochs_at(share: float, n_epochs: int) -> int:
    """Return the number of observed epochs at a share of the curve; 0 only at share 0."""
    return 0 if share == 0 else min(n_epochs - 1, max(1, round(share * n_epochs)))


def usable_rows(curves: LearningCurves, least: int) -> IntArray:
    """Return the positions of complete curves, of which all have one target epoch.

    Raises
    ------
    DataError
        If there are fewer than `least`, or each has a target epoch of its own.
    """
    if curves.own_targets:
        raise DataError(
            f"{curves.source}: each curve has its own target epoch (column target_epoch); the pipeline takes "
            "a common one: leave the column out, or with_target_epoch(curves, N); select, and mlpf-hpo "
            "predictors evaluate and fit take such curves as they are"
        )
    return complete_rows(curves, least)


def complete_rows(curves: LearningCurves, least: int, known_epochs: int = 0) -> IntArray:
    """Return the positions of curves that are complete, with something left to predict.

    Parameters
    ----------
    curves : LearningCurves
    least : int
        Curves that are needed.
    known_epochs : int
        The target epoch of a curve is after this many observed epochs.

    Raises
    ------
    DataError
        If there are fewer than `least`.
    """
    targets = curves.target_epochs
    complete = (known_lengths(curves.values) >= targets) & (curves.restart_epoch < 0)
    rows = np.flatnonzero(complete & (targets > known_epochs))
    if len(rows) < least:
        longer = f", and longer than the {known_epochs} epochs observed" if known_epochs else ""
        raise DataError(
            f"{len(rows)} of {len(curves)} curves are complete (finite throughout, no restart){longer}; "
            "comparing predictors "
            f"takes at least {least}: raise campaign.trials, or lower predictors.outer_folds and inner_folds"
        )
    return rows


def select(
    curves: LearningCurves,
    params: PredictorsParams,
    seed: int,
    progress: Callable[[float, float], Any] | None = None,
    replay: SearchReplay | None = None,
) -> SelectionResult:
    """Score, choose and fit the candidates of `params`.

    Parameters
    ----------
    curves : LearningCurves
        The data set; incomplete curves are left out. Where each has a target epoch of its own, a share of
        the curve is one of the median target epoch, and curves that end by then are left out.
    params : PredictorsParams
        Candidates, folds, criterion, observed share of the curve.
    seed : int
        Of splits and regressors.
    progress : callable, optional
        Called with (steps done, steps in all).
    replay : SearchReplay, optional
        Replays searches, for the criterion `search`: a `PromotionReplay`.

    Raises
    ------
    ConfigurationError
        If the criterion is `search`, and nothing replays searches, or target epochs differ.
    DataError
        If there are too few complete curves.

    Examples
    --------
    >>> from mlpf_hpo import PredictorsParams, select
    >>> from mlpf_hpo import LearningCurves, LogUniform, SearchSpace, TargetMetric
    >>> configurations = SearchSpace({"lr": LogUniform(1e-4, 1e-1)}).stream(30, seed=1)
    >>> rows = [[one["lr"] + 0.5**epoch for epoch in range(1, 9)] for one in configurations]
    >>> curves = LearningCurves.from_arrays(configurations, rows, TargetMetric("loss", "min"))
    >>> params = PredictorsParams(candidates=("persistence", "ridge"), criterion="spearman")
    >>> found = select(curves, params, seed=0)
    >>> found.winner, found.known_epochs, sorted(found.fitted)
    ('ridge', 2, ['persistence', 'ridge'])
    """
    cv = _NestedCV(curves, params, seed, replay)
    steps = (params.outer_folds + 2) * len(params.candidates)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    for fold, (train, test) in enumerate(cv.outer()):
        choice = cv.choose(train, derive_seed(seed, "inner", fold))
        for name in params.candidates:
            cv.score_fold(name, train, test)
            step()
        cv.score_chosen(choice, train, test)
    everything = np.arange(len(cv.curves))
    choice = cv.choose(everything, derive_seed(seed, "inner", "all"))
    fitted: dict[str, CurvePredictor] = {}
    for name in params.candidates:
        # The winner predicts after every epoch of the search; the others are kept for cv.
        won = name == choice.winner
        known = modelled_epochs(cv.curves) if won else cv.grid
        fitted[name] = cv.fit(name, everything, known, shrink=won and choice.shrink)
        step()
    scores, shares = cv.summarise()
    for _ in params.candidates:
        step()
    return SelectionResult(
        winner=choice.winner,
        known_epochs=cv.known,
        inner=choice.criterion,
        reason=choice.reason + describe_shrinkage(fitted[choice.winner], cv.known),
        scores=scores,
        shares=shares,
        out_of_fold={name: cv.out[name][cv.known] for name in params.candidates},
        selected=cv.out[SELECTED][cv.known],
        true=cv.y,
        last_seen=cv.curves.values[:, cv.known - 1],
        rows=cv.rows,
        fitted=fitted,
        search=choice.search,
    )


class _NestedCV:
    """State of one nested cross-validation: rows, folds and out-of-fold predictions of each candidate."""

    def __init__(
        self, curves: LearningCurves, params: PredictorsParams, seed: int, replay: SearchReplay | None
    ) -> None:
        self.params, self.seed = params, seed
        self.replay = needs_replay(params, replay) if params.criterion == SEARCH else None
        if self.replay is not None and curves.own_targets:
            raise ConfigurationError(
                f"predictors.criterion: {SEARCH} replays searches up to one last epoch, and each curve of "
                f"{curves.source} has its own (column target_epoch); take spearman, r2 or log_mae, or "
                "with_target_epoch(curves, N)"
            )
        self.length = typical_target(curves)
        self.known = max(1, known_epochs_at(params.known_fraction, self.length))
        self.rows = complete_rows(curves, least_curves(params), self.known if curves.own_targets else 0)
        self.curves = curves.select(self.rows)
        self.frame, self.y, self.groups = self.curves.frame(), self.curves.final, self.curves.groups
        grid = {known_epochs_at(share, self.length) for share in SHARES} | {self.known}
        self.grid = sorted(grid.intersection(modelled_epochs(self.curves)))
        n = len(self.y)
        self.true_quantile = np.full(n, np.nan)
        self.out: dict[str, dict[int, OutOfFold]] = {
            name: {known: OutOfFold(n) for known in self.grid} for name in params.candidates
        }
        self.out[SELECTED] = {self.known: OutOfFold(n)}

    def outer(self) -> list[tuple[IntArray, IntArray]]:
        """Return the outer folds."""
        return list(grouped_folds(self.groups, self.params.outer_folds, derive_seed(self.seed, "outer")))

    def fit(
        self,
        name: str,
        rows: IntArray,
        known: Sequence[int],
        folds: int | None = None,
        shrink: bool = False,
    ) -> CurvePredictor:
        """Return a candidate fitted on `rows`; a single one is never shrunk, nobody chose it."""
        shrink = shrink and is_choice(self.params.candidates)
        predictor = make_predictor(
            *(name, self.params, derive_seed(self.seed, name), known, folds, shrink, self.curves.mode)
        )
        return predictor.fit(self.frame.iloc[rows], self.y[rows], self.groups[rows])

    def choose(self, rows: IntArray, seed: int) -> Selection:
        """Return the choice by cross-validation within `rows`."""
        if self.replay is not None:
            return choose_by_search(self.curves.select(rows), self.params, seed, self.replay)
        frame, seen = self.frame.iloc[rows], self._seen(rows, self.known)
        mode = self.curves.mode
        return choose(frame, seen, self.y[rows], self.groups[rows], self.known, self.params, seed, mode)

    def score_fold(self, name: str, train: IntArray, test: IntArray) -> None:
        """Fit a candidate on the training rows of an outer fold and keep its predictions of the test rows."""
        points = self.fit(name, train, [known for known in self.grid if known != self.known], folds=0)
        calibrated = self.fit(name, train, [self.known])
        self.true_quantile[test] = quantile_space(self.y[train])(self.y[test])
        for known in self.grid:
            self._keep(name, known, calibrated if known == self.known else points, train, test)

    def score_chosen(self, choice: Selection, train: IntArray, test: IntArray) -> None:
        """Keep the chosen predictor's predictions of the test rows, fitted as a registered predictor is."""
        model = self.fit(choice.winner, train, [self.known], shrink=choice.shrink)
        self._keep(SELECTED, self.known, model, train, test)

    def _keep(
        self,
        name: str,
        known: int,
        model: CurvePredictor,
        train: IntArray,
        test: IntArray,
    ) -> None:
        test = self._running(test, known)
        prediction, out = model.predict_interval(self._seen(test, known)), self.out[name][known]
        out.mean[test], out.lower[test], out.upper[test] = prediction.mean, prediction.lower, prediction.upper
        out.quantile[test] = quantile_space(self.y[train])(prediction.mean)

    def summarise(self) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, list[Scores]]]:
        """Return the scores with intervals, and the scores against the observed share."""
        scores = {
            name: bootstrap(
                lambda rows, out=by_known[self.known]: self._scores(out, rows),  # type: ignore[misc]
                self.groups,
                derive_seed(self.seed, "bootstrap"),
            )
            for name, by_known in self.out.items()
        }
        everything = np.arange(len(self.y))
        shares = {
            name: [
                {
                    "share": known / self.length,
                    **self._scores(by_known[known], self._running(everything, known)),
                }
                for known in self.grid
            ]
            for name, by_known in self.out.items()
            if name != SELECTED
        }
        return scores, shares

    def _scores(self, out: OutOfFold, rows: IntArray) -> Scores:
        true = self.y[rows]
        found = score(true, out.mean[rows], self.true_quantile[rows], out.quantile[rows], self.curves.mode)
        interval = Prediction(out.mean[rows], out.lower[rows], out.upper[rows], self.params.coverage)
        return {**found, "coverage": coverage(true, interval)}

    def _running(self, rows: IntArray, known: int) -> IntArray:
        """Return those of the rows whose target epoch is after `known` epochs."""
        return rows[self.curves.target_epochs[rows] > known]

    def _seen(self, rows: IntArray, known: int) -> Any:
        return self.curves.frame(known).iloc[rows]
