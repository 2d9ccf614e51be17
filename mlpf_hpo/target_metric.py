"""The target metric that is predicted and optimised, with its direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.space import Mode

METRIC_TAG, MODE_TAG = "target_metric", "target_mode"
"""Tags of the parent runs of campaigns and searches."""


@dataclass(frozen=True)
class TargetMetric:
    """A metric, and whether its small or large values are good: the two are never apart.

    Attributes
    ----------
    metric : str
        Name, as it is logged after every epoch.
    mode : {"min", "max"}
        Whether small or large values are good.

    Examples
    --------
    >>> accuracy = TargetMetric("accuracy", "max")
    >>> accuracy.best([0.5, float("nan"), 0.7])
    0.7
    """

    metric: str
    mode: Mode

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ConfigurationError(f"mode of {self.metric}: {self.mode!r}; it is min or max")

    def __str__(self) -> str:
        """Return metric and mode for people."""
        return f"{self.metric} ({self.mode})"

    @property
    def of_training(self) -> str:
        """Name of the same metric of the training events: ``train/loss`` beside ``val/loss``."""
        return f"train/{self.metric.removeprefix('val/')}"

    def cost(self, value: float) -> float:
        """Return the value with the sign that makes small good; also turns a cost back."""
        return value if self.mode == "min" else -value

    def best(self, values: Iterable[float]) -> float:
        """Return the best finite value; NaN where there is none."""
        finite = [value for value in values if math.isfinite(value)]
        return min(finite, key=self.cost, default=math.nan)

    def tags(self) -> dict[str, str]:
        """Return metric and mode as tags of a run."""
        return {METRIC_TAG: self.metric, MODE_TAG: self.mode}

    @staticmethod
    def of_tags(tags: Mapping[str, str]) -> TargetMetric:
        """Return what a run's tags say; runs from before they did are of the validation loss."""
        if METRIC_TAG not in tags:
            return VALIDATION_LOSS
        return TargetMetric.of_dict({"metric": tags[METRIC_TAG], "mode": tags[MODE_TAG]})

    @staticmethod
    def of_dict(content: Mapping[str, str] | None) -> TargetMetric:
        """Return what `to_dict` wrote; records from before it did are of the validation loss."""
        if content is None:
            return VALIDATION_LOSS
        return TargetMetric(content["metric"], "max" if content["mode"] == "max" else "min")

    def value_in(self, reported: Mapping[str, float], where: str) -> float:
        """Return the value of the target among the metrics of an epoch.

        Raises
        ------
        ConfigurationError
            If it is not among them; `where` names their source.
        """
        if self.metric not in reported:
            known = sorted(reported)
            hint = did_you_mean(self.metric, known) or f"; there are {', '.join(known)}"
            raise ConfigurationError(
                f"target.metric: {where} reports no {self.metric}{hint}. The target needs a value after "
                "every epoch"
            )
        return float(reported[self.metric])

    def to_dict(self) -> dict[str, str]:
        """Return metric and mode as JSON holds them."""
        return asdict(self)


VALIDATION_LOSS = TargetMetric("val/loss", "min")
"""The metric by which trials of MLPF are compared, unless params.yaml names another."""
