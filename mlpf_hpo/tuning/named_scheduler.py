"""A scheduler of a search, made from its entry in `search.schedulers` of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import LABELS, PREDICTION, accepted, check_settings, make_scheduler
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
        Settings that distinguish its runs, beside the key; part of the search's identity.
    """

    key: str
    label: str
    scheduler: Scheduler
    identity: Mapping[str, Any]


def name_scheduler(
    params: SchedulerParams,
    position: int,
    settings: SearchParams,
    target: TargetMetric,
    predictor: Any = None,
    version: Any = None,
) -> NamedScheduler:
    """Return one of `search.schedulers`, made with its own settings and those that it shares.

    Raises
    ------
    ConfigurationError
        If it has no such setting, or refuses its value.
    """
    where, name = f"search.schedulers.{position}", params.name
    check_settings(name, params.settings, where)
    rungs = ("max_epochs", "grace_epochs", "reduction_factor")
    shared = {key: getattr(settings, key) for key in rungs} | {"mode": target.mode}
    own = {**accepted(name, shared), **params.settings}
    label = params.label or LABELS.get(name, name)
    identity = {**target.tags(), **{key: value for key, value in own.items() if key != "mode"}}
    if params.prediction is None:
        return NamedScheduler(params.key, label, make_scheduler(name, **own), identity)
    asked = params.prediction.model_dump(exclude_none=True)
    prediction = {key: asked.get(key, getattr(settings, key)) for key in PREDICTION}
    own |= {"max_epochs": settings.max_epochs, "mode": target.mode}
    scheduler = make_scheduler(name, predictor, **own, **prediction)
    identity = {"champion": version.tags[CHECKSUM][:16], **identity, **prediction}
    if params.label is None:
        label += f" + prediction (champion version {version.version})"
    return NamedScheduler(params.key, label, scheduler, identity)
