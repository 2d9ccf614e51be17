"""`name_scheduler`: one of `search.schedulers`, made with its settings, its prediction and its prior."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.bounds import IntervalPredictor
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import (
    BUDGET,
    LABELS,
    PREDICTION,
    PREDICTOR,
    PRIOR,
    SCHEDULERS,
    accepted,
    check_settings,
    make_scheduler,
)
from mlpf_hpo.space import stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.versions import CHECKSUM
from mlpf_hpo.tuning.settings import SchedulerParams, SearchParams


@dataclass(frozen=True)
class NamedScheduler:
    """A scheduler as one of a search's.

    Attributes
    ----------
    key, label : str
        Key in the results, and how it is called in captions.
    scheduler : Scheduler
        A fresh one.
    identity : mapping
        Settings that it decides by, its constructor's defaults among them; with the key, part of the search's
        identity.
    prior : LearningCurves or None
        The prior campaign that it was given.
    """

    key: str
    label: str
    scheduler: Scheduler
    identity: Mapping[str, Any]
    prior: LearningCurves | None = None

    @property
    def described_prior(self) -> str | None:
        """The prior in a caption's words; None if it has none."""
        return None if self.prior is None else f"{len(self.prior)} curves of {self.prior.source}"


def name_scheduler(
    params: SchedulerParams,
    position: int,
    settings: SearchParams,
    target: TargetMetric,
    predictor: Any = None,
    version: Any = None,
    prior: LearningCurves | None = None,
) -> NamedScheduler:
    """Return one of `search.schedulers`, made with its own settings and those that it shares.

    Raises
    ------
    ConfigurationError, DataError
        If it has no such setting, or refuses its value or the prior.
    """
    name = params.name
    check_settings(name, params.settings, f"search.schedulers.{position}")
    rungs = ("max_epochs", "grace_epochs", "reduction_factor")
    shared = {key: getattr(settings, key) for key in rungs} | {"mode": target.mode}
    own = {**accepted(name, shared), **params.settings}
    label = params.label or LABELS.get(name, name)
    identity = {**target.tags(), "max_epochs": settings.max_epochs, **_resolved(name, own)}
    if prior is not None:
        identity["prior"] = _digest(prior)
    if params.prediction is not None or BUDGET in own:
        own |= {"max_epochs": settings.max_epochs, "mode": target.mode}
    if params.prediction is None:
        scheduler = _make(params, None, prior, own)
        return NamedScheduler(params.key, label, scheduler, identity, prior)
    asked = params.prediction.model_dump(exclude_none=True)
    prediction = {key: asked.get(key, getattr(settings, key)) for key in PREDICTION}
    scheduler = _make(params, predictor, prior, own | prediction)
    identity = {"champion": version.tags[CHECKSUM][:16], **identity, **prediction}
    if params.label is None:
        label += f" + prediction (predictor version {version.version})"
    return NamedScheduler(params.key, label, scheduler, identity, prior)


def _make(
    params: SchedulerParams,
    predictor: IntervalPredictor | None,
    prior: LearningCurves | None,
    settings: Mapping[str, Any],
) -> Scheduler:
    """Return the scheduler; what it says of the prior has its key."""
    try:
        return make_scheduler(params.name, predictor, prior, **settings)
    except DataError as error:
        raise DataError(f"search.schedulers: {params.key}: {error}") from None


def _resolved(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a scheduler as JSON values: those given, and its constructor's defaults.

    With another default it decides otherwise, and is another scheduler. A setting that is off (False or None)
    is left out: one that a later release adds, off by default, makes no other scheduler of this one. The mode
    is part of the target.
    """
    parameters = inspect.signature(SCHEDULERS.lookup(name)).parameters
    defaults = {key: one.default for key, one in parameters.items() if one.default is not one.empty}
    resolved = {}
    for key, given in {**defaults, **settings}.items():
        value = float(given) if type(given) is int and isinstance(defaults.get(key), float) else given
        if key not in (PRIOR, PREDICTOR, "mode") and value is not None and value is not False:
            resolved[key] = _as_json(value)
    return resolved


def _as_json(value: Any) -> Any:
    """Return a value that JSON holds as it is; of another one, its type, which does not change by itself."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value) if isinstance(value, float) else f"{type(value).__module__}.{type(value).__name__}"
    return value


def _digest(prior: LearningCurves) -> str:
    """Return a digest of what a scheduler sees of a prior campaign."""
    rows = [prior.configs[name].tolist() for name in prior.hyperparameters]
    content = [prior.target.to_dict(), prior.hyperparameters, repr(rows), prior.status.tolist()]
    return stable_hash([*content, prior.values.tobytes().hex()], length=16)
