"""Registry of schedulers by name; installed packages add others (see `mlpf_hpo.extensions`)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.extensions import InModule, Registry
from mlpf_hpo.search.bounds import Bounds, IntervalPredictor
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers.budget import BudgetScheduler
from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler


def _file(name: str, attribute: str) -> InModule:
    return InModule(f"{__name__}.{name}", attribute)


SCHEDULERS: Registry[Callable[..., Scheduler]] = Registry(
    "mlpf_hpo.schedulers",
    "scheduler",
    {
        "full": _file("full_training", "FullTraining"),
        "freeze_thaw": _file("freeze_thaw", "FreezeThaw"),
        "asha": _file("stopping_asha", "StoppingASHA"),
        "promotion_asha": _file("promotion_asha", "PromotionASHA"),
        "predicted_promotion": _file("predicted_values", "predicted_promotion"),
        "top_k": _file("top_k", "TopK"),
        "hyperband": _file("hyperband", "Hyperband"),
        "swift_hyperband": _file("swift_hyperband", "SwiftHyperband"),
        "fast_hyperband": _file("fast_hyperband", "FastHyperband"),
        "median_stopping": _file("median_stopping", "MedianStopping"),
        "pasha": _file("pasha", "PASHA"),
        "random": _file("random_search", "RandomSearch"),
        "prior_best_k": _file("prior_best_k", "PriorBestK"),
        "prior_skip": _file("prior_skip", "prior_skip"),
    },
)
"""Constructors of schedulers, by name; settings are keyword arguments."""

LABELS = {
    "full": "full training",
    "freeze_thaw": "freeze-thaw",
    "asha": "ASHA",
    "promotion_asha": "ASHA with promotion",
    "predicted_promotion": "ASHA with promotion by predicted final value",
    "top_k": "best k after the first epochs",
    "hyperband": "Hyperband",
    "swift_hyperband": "Swift-Hyperband",
    "fast_hyperband": "Fast-Hyperband",
    "median_stopping": "median stopping",
    "pasha": "PASHA",
    "random": "random search",
    "prior_best_k": "best k by the prior",
    "prior_skip": "ASHA with promotion, without the worst by the prior",
}
"""Labels of schedulers in captions; others are labelled by their names."""

PREDICTION = ("predict_from_epoch", "predict_every", "coverage")
"""Settings of a prediction that a scheduler may hold, see `Bounds`."""

BUDGET = "budget_epochs"
"""Setting of every scheduler, see `BudgetScheduler`."""

PRIOR, PREDICTOR = "prior", "predictor"
"""Keywords of constructors that take the curves of a prior campaign, or a predictor: data, no settings."""


def make_scheduler(
    name: str,
    predictor: IntervalPredictor | None = None,
    prior: LearningCurves | None = None,
    **settings: Any,
) -> Scheduler:
    """Return the scheduler of that name; `settings` are its constructor's.

    With a predictor it also stops trials that cannot win any more (see `PredictiveScheduler`), and accepts
    the settings of `Bounds`. With `budget_epochs` it ends after that many epochs (see `BudgetScheduler`). The
    prior, curves of a prior campaign, goes to schedulers that take one; others do without. So does the
    predictor: a scheduler that takes it predicts by itself, without bounds and their settings.

    Examples
    --------
    >>> make_scheduler("asha", max_epochs=16, reduction_factor=4).max_epochs
    16

    Raises
    ------
    ConfigurationError
        If no scheduler has that name, or it has no such setting, or not of such a value.
    """
    name = _current_name(name)
    make = SCHEDULERS.lookup(name)
    parameters = inspect.signature(make).parameters
    data = {PRIOR: prior, PREDICTOR: predictor}
    own_data = {key: value for key, value in data.items() if value is not None and key in parameters}
    budget = settings.pop(BUDGET, None)
    of_bounds = {key: settings.pop(key) for key in PREDICTION if key in settings and predictor is not None}
    of_all: dict[str, Any] = {}
    if budget is not None or (predictor is not None and PREDICTOR not in own_data):
        of_all = {key: settings.pop(key) for key in ("max_epochs", "mode") if key in settings}
        settings |= accepted(name, of_all)
    check_settings(name, settings)
    try:
        scheduler = make(**settings, **own_data)
        if predictor is not None and PREDICTOR not in own_data:
            scheduler = PredictiveScheduler(scheduler, Bounds(predictor, **of_all, **of_bounds))
        return scheduler if budget is None else BudgetScheduler(scheduler, budget, **of_all)
    except TypeError as error:  # a setting of another type, or one that is missing
        raise ConfigurationError(f"scheduler {name}: {error}") from error


def takes_prior(name: str) -> bool:
    """Return whether a scheduler takes the curves of a prior campaign.

    Examples
    --------
    >>> takes_prior("freeze_thaw"), takes_prior("asha")
    (True, False)
    """
    return PRIOR in inspect.signature(SCHEDULERS.lookup(name)).parameters


def accepted(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `settings` that a scheduler's constructor takes.

    Examples
    --------
    >>> accepted("full", {"max_epochs": 16})
    {}
    """
    parameters = inspect.signature(SCHEDULERS.lookup(name)).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(settings)
    return {key: value for key, value in settings.items() if key in parameters}


def check_settings(name: str, settings: Mapping[str, Any], where: str = "") -> None:
    """Refuse settings that a scheduler does not take; `where` says which parameter has them."""
    for key in settings:
        if key == BUDGET:
            continue
        if key in (PRIOR, PREDICTOR) or key not in accepted(name, {key: settings[key]}):
            prefix = f"{where}: " if where else ""
            names = inspect.signature(SCHEDULERS[name]).parameters
            known = [*(known for known in names if known not in (PRIOR, PREDICTOR)), BUDGET]
            has = ", ".join(known)
            raise ConfigurationError(
                f"{prefix}scheduler {name} has no setting {key!r}{did_you_mean(key, known)}; it has: {has}"
            )


def _current_name(name: str) -> str:
    current = {"promotion": "promotion_asha", "predictive_asha": "asha"}.get(name)
    if current is None:
        return name
    how = " and a predictor" if name == "predictive_asha" else ""
    warnings.warn(f"scheduler {name!r} is deprecated: use {current!r}{how}", FutureWarning, stacklevel=3)
    return current
