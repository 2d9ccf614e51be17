"""Warnings about parameters that a later stage of the pipeline will refuse, given before the long stages.

Each section is valid by itself, and each stage can run by itself on other inputs; so these are not errors.
"""

from __future__ import annotations

from mlpf_hpo.config import Params
from mlpf_hpo.predictors.settings import least_curves


def conflicts(params: Params) -> list[str]:
    """Return what does not go together, with the keys' paths.

    Examples
    --------
    >>> conflicts(Params())
    []
    """
    found = []
    trials, needed = params.campaign.trials, least_curves(params.predictors)
    if trials < needed:
        found.append(
            f"campaign.trials ({trials}): the stage `predictors` takes at least {needed} complete curves "
            "with these predictors.outer_folds and inner_folds"
        )
    if params.search.max_epochs != params.campaign.epochs:
        found.append(
            f"search.max_epochs ({params.search.max_epochs}): a champion fitted to this campaign predicts "
            f"the loss after campaign.epochs ({params.campaign.epochs}); the stage `search` wants them equal"
        )
    events = params.benchmark.events_per_thread * params.benchmark.threads
    if events > params.events.train.events:
        found.append(
            f"benchmark.events_per_thread x threads ({events}): events.train.events has "
            f"{params.events.train.events}"
        )
    return found
