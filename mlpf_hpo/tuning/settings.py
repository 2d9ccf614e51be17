"""Settings of campaigns and searches: `resources`, `tracking`, `campaign`, `search` of params.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mlpf_hpo.curves.shipped_files import curves_file
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.files import sha256
from mlpf_hpo.search.schedulers import SCHEDULERS, check_settings, takes_prior
from mlpf_hpo.search.searchers import RANDOM, check_searcher, searcher_takes_prior
from mlpf_hpo.settings.types import (
    AutoOrProcesses,
    Epochs,
    FailuresAllowed,
    OpenFraction,
    Positive,
    PositiveSeconds,
    Processes,
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
    """What a trial gets of this machine. Of all this, only `processes_per_trial` changes a trial's numbers.

    Examples
    --------
    >>> from mlpf_hpo import ResourceParams
    >>> ResourceParams(concurrency=2).gpus_per_trial
    'auto'
    """

    concurrency: AutoOrProcesses = "auto"
    gpus_per_trial: Annotated[float, Field(ge=0.0), AfterValidator(_whole_above_one)] | Literal["auto"] = (
        "auto"
    )
    processes_per_trial: Processes = 1
    epoch_timeout_seconds: PositiveSeconds = 1800.0
    worker_restarts: Annotated[int, Field(ge=0, le=10**6)] = 2


class TrackingParams(Section):
    """How a stage deals with an MLflow that is out of reach."""

    patience_seconds: Seconds = 120.0


class RepeatParams(Section):
    """The first configurations of a campaign, trained again with other seeds: how much of a loss is noise."""

    configurations: Trials
    seeds: Annotated[int, Field(ge=1, le=1000)]


class LongerParams(Section):
    """Trials of a campaign that are trained longer than the others: whether ranks hold."""

    trials: Annotated[tuple[str, ...], Field(min_length=1)]
    epochs: Epochs


class CampaignParams(Section):
    """The `campaign` stage: random configurations trained in full.

    Examples
    --------
    >>> from mlpf_hpo import CampaignParams
    >>> CampaignParams(trials=4).epochs
    16
    """

    trials: Trials = 48
    epochs: Epochs = 16
    failures_allowed: FailuresAllowed = 0
    repeats: RepeatParams | None = None
    longer: LongerParams | None = None
    archive: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> CampaignParams:
        if self.repeats is not None and self.repeats.configurations > self.trials:
            raise ValueError(
                f"repeats.configurations ({self.repeats.configurations}) exceeds trials ({self.trials})"
            )
        if self.longer is not None and self.longer.epochs <= self.epochs:
            raise ValueError(f"longer.epochs ({self.longer.epochs}) must exceed epochs ({self.epochs})")
        return self


def _alias(name: str) -> str:
    """Refuse what MLflow takes for no alias, and the other alias that versions get here."""
    if name == "challenger":
        raise ValueError("`challenger` is the alias of versions that are not champion")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or re.fullmatch(r"latest|v\d+", name, re.IGNORECASE):
        raise ValueError("an alias has letters, digits, - and _, and is neither `latest` nor like `v1`")
    return name


FromEpoch = Annotated[int, Field(ge=0, le=10**6)]


class PredictionParams(Section):
    """The champion's prediction beside a scheduler; what is left out is as in section `search`."""

    predict_from_epoch: FromEpoch | None = None
    predict_every: Positive | None = None
    coverage: OpenFraction | None = None


CAMPAIGN, NO_PRIOR = "campaign", "none"
"""Values of `prior` that are no file: the pipeline's own campaign, and none."""


class SchedulerParams(Section):
    """One of `search.schedulers`: its name, and settings of its own beside those of section `search`.

    `searcher` proposes the configurations: "random", the stream that all such schedulers share, or the name
    of a searcher. `prior` is the prior campaign of a scheduler or searcher that takes one: "campaign", the
    pipeline's own and the default, "none", a file of curves, or the name of a data set that is shipped.
    """

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(min_length=1, max_length=60)]
    label: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    prediction: PredictionParams | None = None
    searcher: Annotated[str, Field(min_length=1, max_length=60)] = RANDOM
    prior: Annotated[str, Field(min_length=1, max_length=4096)] | None = None

    @property
    def key(self) -> str:
        """Its name in results.

        Examples
        --------
        >>> SchedulerParams(name="asha", prediction=PredictionParams()).key
        'asha+prediction'
        """
        predicts = "" if self.prediction is None else "+prediction"
        return self.label or self.name + predicts + ("" if self.searcher == RANDOM else f"+{self.searcher}")

    @property
    def described(self) -> str:
        """Scheduler and searcher in the words of a message."""
        proposes = "" if self.searcher == RANDOM else f" with searcher {self.searcher}"
        return f"scheduler {self.name}{proposes}"

    @property
    def takes_prior(self) -> bool:
        """Whether the scheduler or its searcher takes a prior campaign."""
        return takes_prior(self.name) or searcher_takes_prior(self.searcher)

    @property
    def settings(self) -> dict[str, Any]:
        """What the scheduler's constructor gets beside the shared settings."""
        return dict(self.model_extra or {})

    @property
    def prior_file(self) -> Path | None:
        """The file, or the shipped data set, that `prior` names, if it names one."""
        return None if self.prior in (None, CAMPAIGN, NO_PRIOR) else Path(self.prior)


class SearchParams(Section):
    """The `search` stage: schedulers side by side, on one stream of configurations.

    Examples
    --------
    >>> from mlpf_hpo import SearchParams
    >>> params = SearchParams(schedulers=[{"name": "promotion_asha", "reduction_factor": 4.0}])
    >>> [scheduler.name for scheduler in params.schedulers], params.max_epochs
    (['promotion_asha'], 16)
    """

    configurations: Trials = 24
    max_epochs: Epochs = 16
    grace_epochs: Positive = 1
    reduction_factor: ReductionFactor = 3.0
    predict_from_epoch: FromEpoch = 2
    predict_every: Positive = 1
    coverage: OpenFraction = 0.9
    champion: Annotated[
        str, Field(min_length=1, max_length=255), AfterValidator(_alias), WholeNumberOrText
    ] = "champion"
    failures_allowed: FailuresAllowed = 0
    schedulers: Annotated[tuple[SchedulerParams, ...], Field(min_length=1, max_length=20)] = (
        SchedulerParams(name="asha"),
        SchedulerParams(name="promotion_asha"),
        SchedulerParams(name="freeze_thaw"),
    )

    def prior_digests(self) -> dict[str, str]:
        """Return the digests of the files that schedulers have as their prior, by path.

        Raises
        ------
        DataError
            If one cannot be read.
        """
        files = [scheduler.prior_file for scheduler in self.schedulers]
        return {str(file): sha256(curves_file(file) or file) for file in files if file is not None}

    @model_validator(mode="after")
    def _schedulers_are_known(self) -> SearchParams:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        keys = [scheduler.key for scheduler in self.schedulers]
        for i, scheduler in enumerate(self.schedulers):
            where = f"schedulers.{i}"
            try:
                SCHEDULERS.check(scheduler.name, where)
                check_searcher(scheduler.searcher, f"{where}.searcher")
                if scheduler.name in SCHEDULERS.builtin:  # an installed package is loaded where it is used
                    check_settings(scheduler.name, scheduler.settings, where)
                    if scheduler.prior not in (None, NO_PRIOR) and not scheduler.takes_prior:
                        yield f"{where}.prior: {scheduler.described} takes no prior campaign"
            except ConfigurationError as error:
                yield str(error)
            if keys.index(scheduler.key) < i:
                yield f"{where}: another one is called {scheduler.key!r}; give one of them a label"

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
