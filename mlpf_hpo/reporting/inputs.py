"""Input of the report: the files that the stages write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.config import MLPF, Params, load_params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import format_pileup
from mlpf_hpo.files import read_json, read_record
from mlpf_hpo.target_metric import VALIDATION_LOSS


@dataclass(frozen=True)
class ReportInput:
    """Everything that a report shows: what the stages of these names left.

    `train` and `validation` are manifests of the event stores; `physics` is of the search's best trial; None
    of another task than MLPF.
    """

    params: Params
    train: dict[str, Any]
    validation: dict[str, Any]
    campaign: dict[str, Any]
    campaign_runs: dict[str, Any]
    curves: LearningCurves
    predictors: dict[str, Any]
    search: dict[str, Any]
    physics: ValidationResult | None
    benchmark: dict[str, Any]

    @staticmethod
    def load(root: Path) -> ReportInput:
        """Read the stages' files below `root`.

        Raises
        ------
        MissingInputError
            If one is not there; the message says which stage makes it.
        """
        params = load_params(root / "params.yaml")
        return ReportInput(
            params=params,
            train=read_record(root / "data/events/train/manifest.json", "events"),
            validation=read_record(root / "data/events/validation/manifest.json", "events"),
            campaign=read_record(root / "data/campaign.json", "campaign"),
            campaign_runs=read_record(root / "data/campaign_runs.json", "campaign"),
            curves=read_curves(root / "data/curves.parquet"),
            predictors=read_record(root / "results/predictors.json", "predictors"),
            search=read_record(root / "results/search.json", "search"),
            physics=ValidationResult.read(root / "results/physics") if params.task == MLPF else None,
            benchmark=read_json(root / "results/benchmark/mlpf-bmk_summary.json", "benchmark"),
        )

    @property
    def of_mlpf(self) -> bool:
        """Whether the trials are of MLPF, not of somebody else's task."""
        return self.params.task == MLPF

    @property
    def title(self) -> str:
        """What the page is about."""
        return f"{'MLPF' if self.of_mlpf else self.params.task} hyperparameter search"

    @property
    def described_events(self) -> str:
        """The data that trials are trained on, in a caption's words."""
        if not self.of_mlpf:
            return f"the data of task {self.params.task}"
        train, validation = self.train, self.validation
        return (
            f"{train['n_events']} {train['process']} events to train on, {validation['n_events']} "
            f"{validation['process']} events to validate on, {format_pileup(train['pileup'])}"
        )

    @property
    def target_name(self) -> str:
        """What trials are compared by, in a caption's words."""
        target = self.curves.target
        return "validation loss" if target == VALIDATION_LOSS else target.metric

    @property
    def hosts(self) -> list[dict[str, Any]]:
        """Records of the machines that trained the campaign; none of a campaign that kept no such record."""
        return list(self.campaign_runs.get("hosts", []))

    @property
    def machine_names(self) -> str:
        """The machines that trained the campaign, in a caption's words."""
        return " and ".join(sorted(set(self.curves.hardware.tolist())))
