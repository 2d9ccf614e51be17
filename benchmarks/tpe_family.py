"""The family of schedulers whose configurations Optuna's TPE proposes, for `benchmarks.schedulers`."""

from __future__ import annotations

from typing import Any

from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.scheduler_spec import SEARCHER, SchedulerSpec

TPE = "tpe"


def tpe_family(draw: Draw) -> tuple[SchedulerSpec, ...]:
    """Return schedulers whose configurations TPE proposes, warm-started by the prior; none if that cannot be.

    They stand beside the other families and in none of them, with few settings: a search takes seconds.
    """
    prior, names = draw.prior, set(draw.searched.hyperparameters)
    if prior is not None and not names <= set(prior.hyperparameters):
        return ()
    budget = 2 * draw.searched.n_epochs
    of: list[tuple[str, dict[str, Any]]] = [
        ("promotion_asha", {}),
        ("promotion_asha", {"budget_epochs": budget}),
        ("hyperband", {}),
    ]
    return tuple(SchedulerSpec(name, {**settings, SEARCHER: TPE}) for name, settings in of)
