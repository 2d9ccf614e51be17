"""Hyperparameter search in which predicted learning curves decide what to stop.

The public names below are loaded when they are first used: ``import mlpf_hpo`` alone loads neither Ray, nor
MLflow, nor PyTorch, nor scikit-learn.

Examples
--------
>>> import mlpf_hpo
>>> "simulate" in dir(mlpf_hpo)
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what mypy and editors see; `_HOMES` says the same to a running program
    from mlpf_hpo.curves.data_sets import load_curves as load_curves
    from mlpf_hpo.curves.dataset import read_curves as read_curves
    from mlpf_hpo.curves.dataset import write_curves as write_curves
    from mlpf_hpo.curves.readers.csv_table import import_csv as import_csv
    from mlpf_hpo.curves.repeats import repeat_noise as repeat_noise
    from mlpf_hpo.curves.schema import LearningCurves as LearningCurves
    from mlpf_hpo.curves.target_epochs import with_target_epoch as with_target_epoch
    from mlpf_hpo.events.datamodule import EventDataModule as EventDataModule
    from mlpf_hpo.mlpf.module import MLPFModule as MLPFModule
    from mlpf_hpo.mlpf.network import MLPF as MLPF
    from mlpf_hpo.predictors.curve_predictor import CurvePredictor as CurvePredictor
    from mlpf_hpo.predictors.factory import make_predictor as make_predictor
    from mlpf_hpo.predictors.model_file import load_predictor as load_predictor
    from mlpf_hpo.predictors.nested_cv import select as select
    from mlpf_hpo.predictors.settings import PredictorsParams as PredictorsParams
    from mlpf_hpo.registry.champion_scope import ChampionScope as ChampionScope
    from mlpf_hpo.registry.load import load_champion as load_champion
    from mlpf_hpo.search.bounds import Bounds as Bounds
    from mlpf_hpo.search.frontier import frontier as frontier
    from mlpf_hpo.search.overheads import Overheads as Overheads
    from mlpf_hpo.search.predicted_searches import PromotionReplay as PromotionReplay
    from mlpf_hpo.search.scheduler import BaseScheduler as BaseScheduler
    from mlpf_hpo.search.scheduler import Decision as Decision
    from mlpf_hpo.search.scheduler import Scheduler as Scheduler
    from mlpf_hpo.search.schedulers import make_scheduler as make_scheduler
    from mlpf_hpo.search.schedulers.freeze_thaw import FreezeThaw as FreezeThaw
    from mlpf_hpo.search.schedulers.full_training import FullTraining as FullTraining
    from mlpf_hpo.search.schedulers.predictive import PredictiveScheduler as PredictiveScheduler
    from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA as PromotionASHA
    from mlpf_hpo.search.schedulers.stopping_asha import StoppingASHA as StoppingASHA
    from mlpf_hpo.search.simulator import simulate as simulate
    from mlpf_hpo.space import Choice as Choice
    from mlpf_hpo.space import Integer as Integer
    from mlpf_hpo.space import LogUniform as LogUniform
    from mlpf_hpo.space import SearchSpace as SearchSpace
    from mlpf_hpo.space import Uniform as Uniform
    from mlpf_hpo.target_metric import TargetMetric as TargetMetric
    from mlpf_hpo.tuning.campaign import run_campaign as run_campaign
    from mlpf_hpo.tuning.search import run_search as run_search
    from mlpf_hpo.tuning.settings import CampaignParams as CampaignParams
    from mlpf_hpo.tuning.settings import ResourceParams as ResourceParams
    from mlpf_hpo.tuning.settings import SearchParams as SearchParams
    from mlpf_hpo.tuning.task import Task as Task
    from mlpf_hpo.tuning.task import TaskResources as TaskResources
    from mlpf_hpo.tuning.task import TrialSpec as TrialSpec
    from mlpf_hpo.tuning.trial_reports import EpochReport as EpochReport
    from mlpf_hpo.tuning.trial_reports import TrialEnd as TrialEnd

_HOMES = {
    "curves.data_sets": ("load_curves",),
    "curves.dataset": ("read_curves", "write_curves"),
    "curves.readers.csv_table": ("import_csv",),
    "curves.repeats": ("repeat_noise",),
    "curves.schema": ("LearningCurves",),
    "curves.target_epochs": ("with_target_epoch",),
    "events.datamodule": ("EventDataModule",),
    "mlpf.module": ("MLPFModule",),
    "mlpf.network": ("MLPF",),
    "predictors.curve_predictor": ("CurvePredictor",),
    "predictors.factory": ("make_predictor",),
    "predictors.model_file": ("load_predictor",),
    "predictors.nested_cv": ("select",),
    "predictors.settings": ("PredictorsParams",),
    "registry.champion_scope": ("ChampionScope",),
    "registry.load": ("load_champion",),
    "search.bounds": ("Bounds",),
    "search.frontier": ("frontier",),
    "search.overheads": ("Overheads",),
    "search.predicted_searches": ("PromotionReplay",),
    "search.scheduler": ("BaseScheduler", "Decision", "Scheduler"),
    "search.schedulers": ("make_scheduler",),
    "search.schedulers.freeze_thaw": ("FreezeThaw",),
    "search.schedulers.full_training": ("FullTraining",),
    "search.schedulers.predictive": ("PredictiveScheduler",),
    "search.schedulers.promotion_asha": ("PromotionASHA",),
    "search.schedulers.stopping_asha": ("StoppingASHA",),
    "search.simulator": ("simulate",),
    "space": ("Choice", "Integer", "LogUniform", "SearchSpace", "Uniform"),
    "target_metric": ("TargetMetric",),
    "tuning.campaign": ("run_campaign",),
    "tuning.trial_reports": ("EpochReport", "TrialEnd"),
    "tuning.search": ("run_search",),
    "tuning.settings": ("CampaignParams", "ResourceParams", "SearchParams"),
    "tuning.task": ("Task", "TaskResources", "TrialSpec"),
}
"""Module of this package -> the public names that it holds."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mlpf_hpo")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return what there is, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})
