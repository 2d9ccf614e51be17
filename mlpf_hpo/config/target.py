"""Section `target` of params.yaml: the metric that is predicted and optimised, and its direction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.metric_modes import resolve_mode
from mlpf_hpo.settings.validation import Section
from mlpf_hpo.target_metric import VALIDATION_LOSS, TargetMetric


class TargetParams(Section):
    """The metric by which trials are compared: in campaigns, learning curves, predictors and searches."""

    metric: Annotated[str, Field(min_length=1)] = VALIDATION_LOSS.metric
    mode: Literal["min", "max", "auto"] = "auto"

    @model_validator(mode="after")
    def _mode_is_known(self) -> TargetParams:
        try:
            self.with_mode()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def with_mode(self) -> TargetMetric:
        """Return the metric with its mode; "auto" is what is on record of the metric."""
        asked = None if self.mode == "auto" else self.mode
        return TargetMetric(self.metric, resolve_mode(self.metric, asked, option="target.mode"))
