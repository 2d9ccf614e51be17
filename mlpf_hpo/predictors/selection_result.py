"""`SelectionResult`: the outcome of a selection, and the out-of-fold predictions of every candidate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.scoring import Scores
from mlpf_hpo.predictors.search_scores import SearchScores


@dataclass
class OutOfFold:
    """Out-of-fold predictions: each curve predicted by a predictor that was not fitted on it.

    Attributes
    ----------
    mean, lower, upper, quantile : array [n]
        Prediction with interval, and the point prediction in quantiles of the training losses.
    """

    n: int
    mean: FloatArray = field(init=False)
    lower: FloatArray = field(init=False)
    upper: FloatArray = field(init=False)
    quantile: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        for name in ("mean", "lower", "upper", "quantile"):
            setattr(self, name, np.full(self.n, np.nan))


@dataclass(frozen=True)
class SelectionResult:
    """Outcome of a selection.

    Attributes
    ----------
    winner : str
        Chosen on all rows by the inner criterion.
    known_epochs : int
        Number of observed epochs at which the predictors were scored.
    inner : mapping
        Inner criterion of each candidate on all rows; of searches, the share of epochs that it saves.
    reason : str
        Why the winner was chosen, as text.
    scores : mapping
        Candidate (and "selected") -> metric -> mean, std, low, high, from the outer folds.
    shares : mapping
        Candidate -> list of scores against the observed share of the curve.
    out_of_fold : mapping
        Candidate -> `OutOfFold` at `known_epochs`.
    selected : OutOfFold
        Predictions by whatever was chosen without the curve that is predicted, as the scores of "selected".
    true, last_seen : array [n]
        Final losses, and the last observed losses.
    rows : array [n]
        Positions of the scored curves in the data set: those that are complete.
    fitted : mapping
        Candidate -> predictor fitted on all rows; the winner for every number of observed epochs.
    search : SearchScores or None
        What replayed searches of all rows say, where they are the criterion.
    """

    winner: str
    known_epochs: int
    inner: dict[str, float]
    reason: str
    scores: dict[str, dict[str, dict[str, float]]]
    shares: dict[str, list[Scores]]
    out_of_fold: dict[str, OutOfFold]
    selected: OutOfFold
    true: FloatArray
    last_seen: FloatArray
    rows: IntArray
    fitted: dict[str, CurvePredictor]
    search: SearchScores | None = None
