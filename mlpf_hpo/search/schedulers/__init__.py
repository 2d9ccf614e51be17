"""Scheduling policies by name, one a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.predictive_asha import PredictiveAsha
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA

SCHEDULERS: dict[str, Callable[..., Scheduler]] = {
    "full": FullTraining,
    "asha": StoppingASHA,
    "predictive_asha": PredictiveAsha,
    "promotion": PromotionASHA,
}


def make_scheduler(name: str, **settings: Any) -> Scheduler:
    """Return the policy of that name; `settings` are its constructor's.

    Examples
    --------
    >>> make_scheduler("asha", max_epochs=16, reduction_factor=4).max_epochs
    16

    Raises
    ------
    ConfigurationError
        If no policy has that name.
    """
    if name not in SCHEDULERS:
        hint = did_you_mean(name, SCHEDULERS)
        raise ConfigurationError(f"no scheduler {name!r}{hint}; there are: {', '.join(sorted(SCHEDULERS))}")
    return SCHEDULERS[name](**settings)
