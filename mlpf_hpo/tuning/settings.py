"""Settings of campaigns and searches: `resources`, `tracking`, `campaign`, `search` of params.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlpf_hpo.settings.types import (
    AutoOrProcesses,
    Epochs,
    FailuresAllowed,
    OpenFraction,
    Positive,
    PositiveSeconds,
    ReductionFactor,
    Seconds,
    Trials,
    WholeNumberOrText,
)
from mlpf_hpo.settings.validation import Section


def _whole_above_one(gpus: float) -> float:
    if gpus > 1 and not gpus.is_integer():
        raise ValueError("a trial gets a share of one GPU, or whole ones")
    return gpus


class ResourceParams(Section):
    """What a trial gets of this machine; changes no trial's result."""

    concurrency: AutoOrProcesses = "auto"
    gpus_per_trial: Annotated[float, Field(ge=0.0), AfterValidator(_whole_above_one)] | Literal["auto"] = (
        "auto"
    )
    epoch_timeout_seconds: PositiveSeconds = 1800.0
    worker_restarts: Annotated[int, Field(ge=0, le=10**6)] = 2


class TrackingParams(Section):
    """How a stage deals with an MLflow that is out of reach."""

    patience_seconds: Seconds = 120.0


class CampaignParams(Section):
    """The `campaign` stage: random configurations trained in full."""

    trials: Trials = 48
    epochs: Epochs = 16
    failures_allowed: FailuresAllowed = 0


def _alias(name: str) -> str:
    """Refuse what MLflow takes for no alias, and the other alias that versions get here."""
    if name == "challenger":
        raise ValueError("`challenger` is the alias of versions that are not champion")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or re.fullmatch(r"latest|v\d+", name, re.IGNORECASE):
        raise ValueError("an alias has letters, digits, - and _, and is neither `latest` nor like `v1`")
    return name


class SearchParams(Section):
    """The `search` stage: ASHA with and without the champion, on one stream of configurations."""

    configurations: Trials = 24
    max_epochs: Epochs = 16
    grace_epochs: Positive = 1
    reduction_factor: ReductionFactor = 3.0
    predict_from_epoch: Annotated[int, Field(ge=0, le=10**6)] = 2
    predict_every: Positive = 1
    coverage: OpenFraction = 0.9
    champion: Annotated[
        str, Field(min_length=1, max_length=255), AfterValidator(_alias), WholeNumberOrText
    ] = "champion"
    failures_allowed: FailuresAllowed = 0

    @model_validator(mode="after")
    def _epochs_fit(self) -> SearchParams:
        if self.predict_from_epoch >= self.max_epochs:
            raise ValueError(
                f"predict_from_epoch ({self.predict_from_epoch}) leaves nothing to predict: max_epochs is "
                f"{self.max_epochs}"
            )
        if self.grace_epochs > self.max_epochs:
            raise ValueError(f"grace_epochs ({self.grace_epochs}) exceeds max_epochs ({self.max_epochs})")
        return self
