"""Whether a new predictor takes the champion's place: recipes are compared, not frozen models.

A champion was fitted on other curves, perhaps on some of those at hand: to score it as it is would be unfair
to either side, or a leak. So both recipes are fitted on the same folds of the curves at hand.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from mlpf_hpo.config import PredictorsParams
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.predictors.choice import CRITERIA, out_of_fold
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.model_file import load_version
from mlpf_hpo.predictors.protocol import Scores, bootstrap, grouped_folds
from mlpf_hpo.predictors.recipe import Recipe
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.tracking.registry import RECIPE
from mlpf_hpo.tracking.versions import ModelVersion


@dataclass(frozen=True)
class Verdict:
    """What became of a new version.

    Attributes
    ----------
    promoted : bool
        Whether it is the champion now.
    reason : str
        For people.
    before : str or None
        Version of the champion that it met.
    scores : mapping or None
        Criterion of "challenger" and "champion" on the same folds, and their "difference", each with mean,
        low and high; None where nothing was to be compared.
    """

    promoted: bool
    reason: str
    before: str | None = None
    scores: dict[str, dict[str, float]] | None = None

    def told(self) -> dict[str, Any]:
        """Return it for a record."""
        return asdict(self)


@dataclass(frozen=True)
class Challenger:
    """A new predictor, its recipe, and the curves on which it meets the champion.

    Attributes
    ----------
    predictor : CurvePredictor
        Fitted on `curves`.
    recipe : Recipe
    curves : LearningCurves
        The complete ones of the data set at hand.
    known_epochs : int
        The decision point.
    digest : str
        Of the data set.
    """

    predictor: CurvePredictor
    recipe: Recipe
    curves: LearningCurves
    known_epochs: int
    digest: str


def judge(
    challenger: Challenger,
    champion: ModelVersion | None,
    params: PredictorsParams,
    seed: int,
    uri: str | None = None,
) -> Verdict:
    """Decide whether a challenger takes the champion's place.

    It does where there is no champion, or none that can be used and fitted again; where the champion is for
    other curves; where the recipes are equal, so that the newer fit is the champion's own. Else it does only
    where it is better by the declared criterion, with a 95 % interval of the difference above zero.

    Parameters
    ----------
    challenger : Challenger
    champion : ModelVersion or None
        The version that the alias points at.
    params : PredictorsParams
        Folds and criterion.
    seed : int
        Of folds, regressors and bootstrap.
    uri : str, optional
        Where the champion is registered, see `tracking_uri`.
    """
    if champion is None:
        return Verdict(True, "there was no champion")
    before = str(champion.version)
    met = f"the champion before, version {before},"
    try:
        recipe = Recipe.read(champion.tags.get(RECIPE), params)
        columns = load_version(champion, uri).columns_
    except (DataError, TrackingError) as error:
        return Verdict(True, f"{met} cannot be compared: {' '.join(str(error).split())}", before)
    if set(columns) != set(challenger.predictor.columns_):
        return Verdict(True, f"{met} is for curves of other length or hyperparameters", before)
    if recipe == challenger.recipe:
        learnt_from = champion.tags.get("dataset_digest", "?")
        reason = (
            f"{met} has the same recipe, fitted on data set {learnt_from[:8]}; this is its fit on data set "
            f"{challenger.digest[:8]}: recipes are compared, not frozen models"
        )
        return Verdict(True, reason, before)
    scores = compare_recipes(challenger, recipe, params, seed)
    difference = scores["difference"]
    same = challenger.recipe.predictor == recipe.predictor
    who = "the same with other settings" if same else recipe.predictor
    reason = (
        f"{challenger.recipe.predictor} against {who} of version {before}, both fitted on the same "
        f"{params.outer_folds} folds of {len(challenger.curves)} curves: {params.criterion} "
        f"{scores['challenger']['mean']:.3f} against {scores['champion']['mean']:.3f}, difference "
        f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"
    )
    promoted = difference["low"] > 0
    return Verdict(promoted, f"{reason}, {'above' if promoted else 'not above'} zero", before, scores)


def compare_recipes(
    challenger: Challenger, champion: Recipe, params: PredictorsParams, seed: int
) -> dict[str, dict[str, float]]:
    """Return the criterion of both recipes on the same new folds, and their difference, with 95 % intervals.

    The folds are others than those of the choice. The intervals are those of other configurations: pairs of
    predictions are drawn again with replacement, configuration by configuration.
    """
    curves, known = challenger.curves, challenger.known_epochs
    y, groups, measure = curves.final, curves.groups, CRITERIA[params.criterion]
    folds = list(grouped_folds(groups, params.outer_folds, derive_seed(seed, "promotion", "folds")))

    ours, theirs = (
        out_of_fold(
            partial(recipe.make, params, derive_seed(seed, recipe.predictor), [known], folds=0),
            *(curves.frame(), curves.frame(known), y, groups, folds),
        )
        for recipe in (challenger.recipe, champion)
    )

    def evaluate(rows: Any) -> Scores:
        new, old = measure(y[rows], ours[rows]), measure(y[rows], theirs[rows])
        return {"challenger": new, "champion": old, "difference": new - old}

    return bootstrap(evaluate, groups, derive_seed(seed, "promotion", "bootstrap"))
