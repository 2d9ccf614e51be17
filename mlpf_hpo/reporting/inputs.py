"""What the report is made of: the files that the stages leave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.config import Params, load_params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.evaluation.judgement import Judgement
from mlpf_hpo.files import read_json


@dataclass(frozen=True)
class ReportInput:
    """Everything that a report shows.

    Attributes
    ----------
    params : Params
        params.yaml.
    train, validation : mapping
        Manifests of the event stores.
    campaign, campaign_runs, predictors, registered, search, benchmark : mapping
        What the stages of those names left.
    physics : Judgement
        Of the search's best trial.
    curves : LearningCurves
        The data set.
    """

    params: Params
    train: dict[str, Any]
    validation: dict[str, Any]
    campaign: dict[str, Any]
    campaign_runs: dict[str, Any]
    curves: LearningCurves
    predictors: dict[str, Any]
    registered: dict[str, Any]
    search: dict[str, Any]
    physics: Judgement
    benchmark: dict[str, Any]

    @staticmethod
    def load(root: Path) -> ReportInput:
        """Read the stages' files below `root`.

        Raises
        ------
        MissingInputError
            If one is not there; the message says which stage makes it.
        """
        return ReportInput(
            params=load_params(root / "params.yaml"),
            train=read_json(root / "data/events/train/manifest.json", "events"),
            validation=read_json(root / "data/events/validation/manifest.json", "events"),
            campaign=read_json(root / "data/campaign.json", "campaign"),
            campaign_runs=read_json(root / "data/campaign_runs.json", "campaign"),
            curves=read_curves(root / "data/curves.parquet"),
            predictors=read_json(root / "results/predictors.json", "predictors"),
            registered=read_json(root / "results/register.json", "register"),
            search=read_json(root / "results/search.json", "search"),
            physics=Judgement.read(root / "results/physics"),
            benchmark=read_json(root / "results/benchmark/mlpf_summary.json", "benchmark"),
        )

    @property
    def events_told(self) -> str:
        """The events, in a caption's words."""
        train, validation = self.train, self.validation
        return (
            f"{train['n_events']} {train['process']} events to train on, {validation['n_events']} "
            f"{validation['process']} events to validate on, PU {train['pileup']:g}"
        )

    @property
    def hardware_told(self) -> str:
        """The machine that trained, in a caption's words."""
        return str(self.campaign_runs["hardware_label"])
