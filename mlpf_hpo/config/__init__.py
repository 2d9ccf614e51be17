"""params.yaml as typed, checked values: every number that a stage uses.

Unknown keys, wrong types and values out of range are refused with the key's path, for example
``campaign.epoch: unknown key (did you mean epochs?)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from mlpf_hpo.config.mlpf_space import space_problems, unknown_names
from mlpf_hpo.config.space import SpaceParams
from mlpf_hpo.config.target import TargetParams
from mlpf_hpo.events.sources import SOURCES
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.settings.parameter_file import parameters, read_parameters
from mlpf_hpo.settings.types import (
    AutoOrProcesses,
    Epochs,
    Fraction,
    Positive,
    Seed,
    Threads,
    WholeNumberOrText,
    Width,
    Widths,
    registered,
)
from mlpf_hpo.settings.validation import Section
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tuning.settings import CampaignParams, ResourceParams, SearchParams, TrackingParams
from mlpf_hpo.tuning.task import REFERENCE

MLPF = "mlpf"
"""The task that is built in; any other is ``package.module:object``."""


def _task(name: str) -> str:
    if name != MLPF and not REFERENCE.fullmatch(name):
        raise ValueError(f"must be {MLPF}, or name an object like package.module:object")
    return name


class SampleParams(Section):
    """One sample of events."""

    process: Annotated[str, registered(SOURCES)]
    events: Positive


class EventsParams(Section):
    """The `events` stage: what Pythia 8 generates and the parametrised detector records."""

    train: SampleParams = SampleParams(process="ttbar", events=48)
    validation: SampleParams = SampleParams(process="qcd", events=48)
    pileup: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    minimum_bias_pool: Annotated[int, Field(ge=1, le=10**7)] = 2000
    workers: AutoOrProcesses = "auto"


class NetworkParams(Section):
    """Widths of MLPF that no trial changes; docs/scale.md has those of the paper."""

    embedding_dim: Width = 32
    hash_columns: Width = 512
    class_head: Widths = (64, 32)
    charge_head: Widths = (32,)
    regression_head: Widths = (64, 32)


class TrainingParams(Section):
    """How every trial is trained. All of it is part of a trial's identity."""

    batch_events: Positive = 8
    batch_elements: Positive | None = None
    threads: Threads = 1
    precision: Annotated[Literal["32", "bf16-mixed", "16-mixed"], WholeNumberOrText] = "32"


class BenchmarkParams(Section):
    """The `benchmark` stage: a fixed configuration trained in N copies."""

    copies: AutoOrProcesses = "auto"
    threads: Threads = 1
    events_per_thread: Positive = 48
    epochs: Epochs = 4
    batch_size: Positive = 8
    minimum_overlap: Fraction = 0.5


def _refuse(problems: Mapping[str, str], given: Mapping[Any, Any], *under: str) -> None:
    """Raise what is wrong with keys of `given`, which stands under a key, as pydantic does."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("task", "{problem}", {"problem": problem}),
            loc=(*under, name),
            input=given.get(name),
        )
        for name, problem in problems.items()
    ]
    if details:
        raise ValidationError.from_exception_data("task", details)


class Params(Section):
    """All of params.yaml."""

    seed: Seed = 42
    task: Annotated[str, AfterValidator(_task)] = MLPF
    task_settings: dict[str, Any] = Field(default_factory=dict)
    events: EventsParams = EventsParams()
    space: SpaceParams = SpaceParams()
    network: NetworkParams = NetworkParams()
    training: TrainingParams = TrainingParams()
    resources: ResourceParams = ResourceParams()
    tracking: TrackingParams = TrackingParams()
    target: TargetParams = TargetParams()
    campaign: CampaignParams = CampaignParams()
    predictors: PredictorsParams = PredictorsParams()
    search: SearchParams = SearchParams()
    benchmark: BenchmarkParams = BenchmarkParams()

    @model_validator(mode="before")
    @classmethod
    def _names_of_mlpf(cls, content: Any) -> Any:
        """Refuse names that are none of MLPF's, whatever stands there: they may be misspelt."""
        if isinstance(content, Mapping) and content.get("task", MLPF) == MLPF:
            space = content.get("space")
            if isinstance(space, Mapping):
                _refuse(unknown_names(map(str, space)), space, "space")
        return content

    @model_validator(mode="after")
    def _space_of_mlpf(self) -> Params:
        """Complete the space from table 1, and refuse what MLPF cannot be trained with."""
        if self.task != MLPF:
            return self
        space = self.space.with_defaults(TABLE_1)
        _refuse(space_problems(space.search_space()), space.model_dump(), "space")
        object.__setattr__(self, "space", space)
        return self

    @model_validator(mode="after")
    def _settings_are_of_the_task(self) -> Params:
        if self.task == MLPF and self.task_settings:
            problem = f"task {MLPF} has its settings in network and training"
            _refuse({"task_settings": problem}, {"task_settings": self.task_settings})
        return self


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it is not YAML, or a key is unknown, or a value is not allowed; each problem on its own
        line with the key's path.
    """
    return read_parameters(Params, Path(path), "the project folder")


def parse_params(content: dict[Any, Any], source: str = "params") -> Params:
    """Check a parameter mapping; `source` names it in error messages."""
    return parameters(Params, content, source)
