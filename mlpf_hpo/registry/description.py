"""Descriptions of registered predictors: what they predict, from what, how well, and on which data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.plotting import BLUE, canvas, draw_predicted
from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.registry.predictor_runs import PICTURED
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.aliases import set_model_description
from mlpf_hpo.tracking.versions import MlflowClient, get_version_by_alias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mlpf_hpo.registry.promotion import Challenger

PICTURE = "figures/out_of_fold.png"
"""Artifact of a predictor's run: predicted against true final values."""

SCORES = {"spearman": "Spearman", "top_recall": "recall of the best", "r2_quantile": "R2 of quantiles"}
"""Scores in a description."""


def version_description(
    scope: ChampionScope,
    challenger: Challenger,
    content: Mapping[str, Any],
    run: tuple[str, str],
    reason: str,
) -> str:
    """Return the description of a version, in Markdown.

    Parameters
    ----------
    scope : ChampionScope
        Of the registered model.
    challenger : Challenger
        What is registered.
    content : mapping
        The comparison that chose it, results/predictors.json.
    run : (str, str)
        Experiment and run of `PICTURE`.
    reason : str
        Why it is or is not the champion.
    """
    predictor, epochs = challenger.predictor, f"{content['known_epochs']} of {content['n_epochs']} epochs"
    observed = f"{predictor.known_epochs[0]} to {predictor.n_epochs - 1}"
    link, path = links.within(links.artifact_link(*run, PICTURE)), f"runs:/{run[1]}/{PICTURE}"
    metric, coverage = scope.target.metric, f"{content['coverage']:.0%}"
    return "\n\n".join(
        [
            scope.description,
            f"**From** the hyperparameters and the epochs observed so far, {observed} of them, by "
            f"{challenger.spec.predictor}. Every prediction has an interval ({coverage}).",
            f"**How well**, after {epochs}, on curves of configurations that neither the choice nor the fit "
            f"had ({content['outer_folds']} folds; 95 % intervals): {_scores(content)}. "
            f"{_coverage(content, coverage)}",
            f"**Fitted on** {content['rows']} complete curves of {content['curves']} "
            f"({challenger.n_curves} distinct), data set {content['source'] or 'without a name'}, "
            f"MD5 {challenger.digest}.",
            f"**Use it** to rank or to stop trainings of this search space before their last epoch, or to "
            f"choose configurations before the first. It knows nothing of other metrics than {metric}, other "
            f"numbers of epochs or other search spaces; hyperparameters outside the range of the curves that "
            "it was fitted on are answered with a warning.",
            "**Picture** of predicted against true final values, with their intervals: "
            f"[{PICTURE}]({link}), `{path}`.",
            f"**Champion or not**: {reason}",
        ]
    )


def describe_registered_model(client: MlflowClient, scope: ChampionScope, alias: str) -> None:
    """Give a registered model the description of the version that the alias points at."""
    champion = get_version_by_alias(client, alias, scope.model)
    if champion is None:
        return
    rest = (champion.description or "").removeprefix(scope.description).strip()
    which = f"**@{alias} is version {champion.version}.**"
    set_model_description(client, scope.model, f"{scope.description}\n\n{which}\n\n{rest}")


def out_of_fold_figure(content: Mapping[str, Any], metric: str) -> Figure:
    """Draw predicted against true final values of curves that neither the choice nor the fit had."""
    scores, coverage = content["selected"], content["coverage"]
    with canvas(width=6, height=5) as (figure, (axis,)):
        draw_predicted(axis, content[PICTURED], BLUE, metric)
        axis.set_title(
            f"{content['rows']} curves, predicted after {content['known_epochs']} of {content['n_epochs']} "
            f"epochs, {content['outer_folds']} folds\nSpearman {fixed(scores['spearman']['mean'])}; "
            f"{coverage:.0%} intervals cover {fixed(scores['coverage']['mean'])}"
        )
    return figure


def _scores(content: Mapping[str, Any]) -> str:
    """Return the scores, those of persistence beside them."""
    ours, theirs = content["selected"], content["predictors"].get(PERSISTENCE)
    parts = []
    for metric, label in SCORES.items():
        last = f", the last observed value {_interval(theirs[metric])}" if theirs else ""
        parts.append(f"{label} {_interval(ours[metric])}{last}")
    return "; ".join(parts)


def _coverage(content: Mapping[str, Any], nominal: str) -> str:
    share = _interval(content["selected"]["coverage"])
    return f"A share of {share} of the final values lies within the {nominal} intervals."


def _interval(scores: Mapping[str, float]) -> str:
    return interval(scores["mean"], scores["low"], scores["high"])
