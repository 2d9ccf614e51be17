"""Families of schedulers that a scheduler is measured by: of each, the setting that is best with hindsight.

What is measured by them has one setting for all tables. That favours the yardsticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.search.anytime import epochs_at
from mlpf_hpo.search.prior_predictor import ETAS, FIRST_RUNGS
from mlpf_hpo.search.replay import Replays
from mlpf_hpo.search.resampling import Resampling
from mlpf_hpo.search.scheduler_spec import SchedulerSpec

OURS = SchedulerSpec("freeze_thaw", {"ends": False})
"""What is measured; it goes on until every trial is trained, so that each regret is reached or never is."""

THRESHOLDS = (0.02, 0.01)
"""Regrets at which epochs are compared."""

RATIO_TO = ("cold_frontier", "best_null", "ray_asha")

SKIPPED = (0.5, 0.7, 0.8)
BUDGETS = (1, 2, 4)
"""In full trainings."""


def _halving(name: str, **settings: Any) -> list[SchedulerSpec]:
    return [
        SchedulerSpec(name, {"grace_epochs": first, "reduction_factor": float(eta), **settings})
        for first, eta in product(FIRST_RUNGS, ETAS)
    ]


def _budgets(n_epochs: int) -> list[dict[str, int]]:
    return [{"budget_epochs": full * n_epochs} for full in BUDGETS]


def cold_families(n_epochs: int) -> dict[str, tuple[SchedulerSpec, ...]]:
    """Return the families that use no prior, for curves of so many epochs.

    Settings whose first rung lies beyond a full training are left out.
    """
    stopping, promotion = _halving("asha"), _halving("promotion_asha")
    budgeted = [one for budget in _budgets(n_epochs) for one in _halving("promotion_asha", **budget)]
    top = [
        SchedulerSpec("top_k", {"first_epochs": first, "k": k})
        for first, k in product(FIRST_RUNGS, (1, 3, 5))
    ]
    families = {
        "cold_frontier": [*stopping, *promotion, *budgeted, *top],
        "stopping_asha": stopping,
        "promotion_asha": promotion,
        "hyperband": [SchedulerSpec("hyperband", {"reduction_factor": float(eta)}) for eta in ETAS],
        "ray_asha": [SchedulerSpec("asha", {"grace_epochs": 1, "reduction_factor": 3.0})],
    }
    return {name: tuple(_possible(members, n_epochs)) for name, members in families.items()}


def prior_families(n_epochs: int) -> dict[str, tuple[SchedulerSpec, ...]]:
    """Return the families that use a prior campaign, for curves of so many epochs.

    After the worst share was skipped, `PromotionASHA` may have any of its nine settings, and a budget as in
    the cold frontier: otherwise no trial would be trained to the end where few are left.
    """
    skipping = [
        one
        for share, budget in product(SKIPPED, ({}, *_budgets(n_epochs)))
        for one in _halving("prior_skip", share=share, **budget)
    ]
    families = {
        "best_null": [*(SchedulerSpec("prior_best_k", {"k": k}) for k in (1, 2, 4, 8)), *skipping],
        "predicted_promotion": _halving("predicted_promotion"),
    }
    return {name: tuple(_possible(members, n_epochs)) for name, members in families.items()}


def _possible(members: Iterable[SchedulerSpec], n_epochs: int) -> Iterable[SchedulerSpec]:
    """Yield the settings that curves of so many epochs allow."""
    for one in members:
        if max(one.settings.get("grace_epochs", 1), one.settings.get("first_epochs", 1)) < n_epochs:
            yield one


def all_members(families: Mapping[str, Sequence[SchedulerSpec]]) -> dict[str, SchedulerSpec]:
    """Return the members of families, each once, by their texts."""
    return {str(one): one for members in families.values() for one in members}


@dataclass(frozen=True)
class FamilyScore:
    """Epochs at which the best setting of a family reaches a regret.

    Attributes
    ----------
    epochs : float
        Number of epochs.
    best : str
        The setting.
    resampled : array [n_draws]
        The same for resampled searches, the best setting chosen anew for each.
    """

    epochs: float
    best: str
    resampled: FloatArray


def score_family(
    members: Sequence[SchedulerSpec], replays: Replays, regret: float, never: float, resampling: Resampling
) -> FamilyScore:
    """Return the epochs of a family's best setting at a regret.

    Parameters
    ----------
    members : sequence of SchedulerSpec
        Settings of the family.
    replays : mapping
        Text of each -> its searches.
    regret, never
        As for `epochs_at`.
    resampling : Resampling
        Of the searches.
    """
    names = [str(one) for one in members]
    stairs = [[search.anytime for search in replays[name]] for name in names]
    epochs = [float(epochs_at(one, regret, never)[0]) for one in stairs]
    resampled = np.min([epochs_at(one, regret, never, resampling.weights) for one in stairs], axis=0)
    best = int(np.argmin(epochs))
    return FamilyScore(epochs[best], names[best], resampled)
