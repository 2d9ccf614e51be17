"""Promotion of a model version: decide whether a new predictor replaces the champion.

The specs of both predictors are compared, not the fitted models. A champion was fitted on other curves, or on
some of the new ones: its scores on the new curves would be unfair to either side, or leak. So both specs
are fitted on the same folds of the new curves. A predictor is promoted without comparison only if there is no
champion. A champion that cannot be compared is an error, which a person has to resolve.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.predictors.criteria import CRITERIA, out_of_fold
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.jackknife import Measure
from mlpf_hpo.predictors.predictor_spec import PredictorSpec
from mlpf_hpo.predictors.scoring import Scores, bootstrap, grouped_folds
from mlpf_hpo.predictors.search_criterion import SEARCH, rank_correlation_over_shares, replay_predictors
from mlpf_hpo.predictors.search_scores import ReplayedEpochs
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.load import load_version
from mlpf_hpo.search.predicted_searches import PromotionReplay
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking.aliases import CURVES, SPEC, promoted_tag, verdict_on
from mlpf_hpo.tracking.versions import CHECKSUM, ModelVersion, describe_version, retire_hint


@dataclass(frozen=True)
class PromotionDecision:
    """Whether a new version was promoted, and why.

    Attributes
    ----------
    promoted : bool
        Whether it is the champion now.
    reason : str
        The reason as text.
    before : str or None
        Version of the champion that it was compared with.
    scores : mapping or None
        Criterion of "challenger" and "champion" on the same folds, and their "difference", each with mean,
        low and high; None without a comparison.
    criterion : str or None
        The criterion that these scores are of.
    """

    promoted: bool
    reason: str
    before: str | None = None
    scores: dict[str, dict[str, float]] | None = None
    criterion: str | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the decision as a JSON-serialisable record."""
        return asdict(self)


@dataclass(frozen=True)
class Challenger:
    """A new predictor, its spec, and the curves on which it is compared with the champion.

    `curves` are the complete ones of the data set with this digest; `known_epochs` is the decision point.
    """

    predictor: CurvePredictor
    spec: PredictorSpec
    curves: LearningCurves
    known_epochs: int
    digest: str

    @property
    def n_curves(self) -> int:
        """Number of distinct curves that it was fitted on: duplicate rows count once."""
        return len(self.curves.frame().drop_duplicates())


def decide_promotion(
    challenger: Challenger,
    champion: ModelVersion | None,
    params: PredictorsParams,
    seed: int,
    uri: str | None = None,
) -> PromotionDecision:
    """Decide whether a challenger replaces the champion.

    It does if there is no champion, or if it is better by the declared criterion, with a 95 % interval of the
    difference above zero. Equal specs have equal scores: the newer fit replaces the older one, unless it has
    fewer curves.

    `champion` is the version that the alias points at, registered at `uri` (see `tracking_uri`). Folds,
    regressors and bootstrap follow from the seed.

    Raises
    ------
    TrackingError
        If the champion cannot be loaded or compared; the message says why, and how to retire it.
    """
    if champion is None:
        return PromotionDecision(True, "there was no champion")
    before = str(champion.version)
    spec = _spec_of(champion, challenger, params, uri)
    if spec == challenger.spec:
        return _newer_fit(challenger, champion)
    criterion, scores = compare_specs(challenger, spec, params, seed)
    difference = scores["difference"]
    same = challenger.spec.predictor == spec.predictor
    other = "the same with other settings" if same else spec.predictor
    reason = (
        f"{challenger.spec.predictor} against {other} of version {before}, both fitted on the same "
        f"{params.outer_folds} folds of {len(challenger.curves)} curves: {criterion} "
        f"{fixed(scores['challenger']['mean'])} against {fixed(scores['champion']['mean'])}, difference "
        f"{interval(difference['mean'], difference['low'], difference['high'], sign=True)}"
    )
    promoted = difference["low"] > 0
    return PromotionDecision(
        promoted, f"{reason}, {'above' if promoted else 'not above'} zero", before, scores, criterion
    )


def _spec_of(
    champion: ModelVersion, challenger: Challenger, params: PredictorsParams, uri: str | None
) -> PredictorSpec:
    """Return the champion's spec, after a check that its file and columns fit the challenger."""
    name = f"{describe_version(champion)}, the champion,"
    try:
        spec = PredictorSpec.from_json(champion.tags.get(SPEC), params)
    except DataError as error:
        reason = " ".join(str(error).split())
        raise TrackingError(
            f"{name} cannot be compared with {challenger.spec.predictor}: {reason}; use the version of "
            f"mlpf_hpo that made it, or {retire_hint(champion)}"
        ) from None
    if set(load_version(champion, uri).columns_) != set(challenger.predictor.columns_):
        raise TrackingError(
            f"{name} is for curves of another length or other hyperparameters than its registered model; "
            f"{retire_hint(champion)}"
        )
    return spec


def _newer_fit(challenger: Challenger, champion: ModelVersion) -> PromotionDecision:
    """Return the decision on a new fit of the champion's own spec."""
    before, learnt_from = str(champion.version), champion.tags.get("dataset_digest", "?")[:8]
    same = f"the champion before, version {before}, has the same spec"
    on_record, ours = champion.tags.get(CURVES, ""), challenger.n_curves
    if not on_record.isdecimal():
        reason = f"{same}; on how many curves it was fitted is not on record, {ours} may be fewer: it stays"
        return PromotionDecision(False, reason, before)
    if ours < int(on_record):
        reason = f"{same}, fitted on {on_record} curves; {ours} are fewer, and equal specs have equal scores"
        return PromotionDecision(False, f"{reason}: it stays", before)
    reason = (
        f"{same}, fitted on {on_record} curves of data set {learnt_from}; this is its fit on {ours} of data "
        f"set {challenger.digest[:8]}: specs are compared, not fitted models"
    )
    return PromotionDecision(True, reason, before)


def compare_specs(
    challenger: Challenger, champion: PredictorSpec, params: PredictorsParams, seed: int
) -> tuple[str, dict[str, dict[str, float]]]:
    """Return the criterion that decides, and its values of both specs on the same new folds.

    The folds are others than those of the choice. The intervals are those of other configurations: pairs of
    predictions, or of searches, are drawn again with replacement, configuration by configuration. Where
    replayed searches cannot tell the specs apart, Spearman over all shares decides, as in the choice.

    Returns
    -------
    criterion : str
    scores : dict
        "challenger", "champion" and their "difference", larger is better: mean, low, high.
    """
    curves, known = challenger.curves, challenger.known_epochs
    y, groups = curves.final, curves.groups
    folds = list(grouped_folds(groups, params.outer_folds, derive_seed(seed, "promotion", "folds")))
    make = {
        name: partial(spec.make, params, derive_seed(seed, spec.predictor), folds=0)
        for name, spec in (("challenger", challenger.spec), ("champion", champion))
    }
    measure: Measure
    if params.criterion == SEARCH:
        own_seed = derive_seed(seed, "promotion")
        by_share, epochs = replay_predictors(make, curves, folds, PromotionReplay(), own_seed)
        saved = _savings(epochs)
        if saved["difference"]["low"] > 0 or saved["difference"]["high"] < 0:
            return "logarithm of the epochs that replayed searches save", saved
        criterion, measure = "Spearman over all shares", rank_correlation_over_shares
        predicted = {name: np.column_stack([*columns.values()]) for name, columns in by_share.items()}
    else:
        criterion, measure = params.criterion, CRITERIA[params.criterion]
        table = curves.frame(), curves.frame(known), y, groups, folds
        predicted = {name: out_of_fold(partial(maker, [known]), *table) for name, maker in make.items()}

    def evaluate(rows: Any) -> Scores:
        new, old = (measure(y[rows], predicted[name][rows]) for name in make)
        return {"challenger": new, "champion": old, "difference": new - old}

    return criterion, bootstrap(evaluate, groups, derive_seed(seed, "promotion", "bootstrap"))


def _savings(epochs: ReplayedEpochs) -> dict[str, dict[str, float]]:
    """Return minus the logarithms of ratios of epochs: larger is better."""
    ratios = {
        "challenger": epochs.ratio("challenger"),
        "champion": epochs.ratio("champion"),
        "difference": epochs.ratio("challenger", "champion"),
    }
    return {
        name: {
            end: -math.log(ratio[other])
            for end, other in (("mean", "mean"), ("low", "high"), ("high", "low"))
        }
        for name, ratio in ratios.items()
    }


def decision_basis(
    champion: ModelVersion | None, known_epochs: int, params: PredictorsParams, seed: int
) -> str:
    """Return a hash of everything that the decision on a fit depends on."""
    met = None if champion is None else [champion.tags.get(tag) for tag in (CHECKSUM, SPEC, CURVES)]
    return stable_hash([met, params.criterion, params.outer_folds, known_epochs, seed], 16)


def recorded_decision(
    version: ModelVersion, champion: ModelVersion | None, alias: str, basis: str
) -> PromotionDecision | None:
    """Return the recorded decision on a version if it is still valid; None if a new decision is needed.

    An alias that a decision set to the version, and that points elsewhere, was moved by a person: it stays.
    """
    number, before = str(version.version), None if champion is None else str(champion.version)
    kept = verdict_on(version)
    found = PromotionDecision(**kept["verdict"]) if kept is not None and kept["alias"] == alias else None
    if before == number:
        at_it = PromotionDecision(True, f"@{alias} points at it already", before)
        return found if found is not None and found.promoted else at_it
    if before is not None and promoted_tag(alias) in version.tags:
        reason = f"@{alias} was moved by hand from version {number} to version {before}: it stays there"
        return PromotionDecision(False, reason, before)
    if found is None or kept is None or kept.get("basis") != basis:
        return None
    return found if found.before == before else None
