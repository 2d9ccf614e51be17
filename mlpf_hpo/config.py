"""params.yaml as typed, checked values: every number that a stage uses.

Unknown keys, wrong types and values out of range are refused with the key's path, for example
``campaign.epoch: unknown key (did you mean epochs?)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlpf_hpo.errors import ConfigurationError, MissingInputError, did_you_mean
from mlpf_hpo.space import TABLE_1, Choice, Domain, LogUniform, SearchSpace, Uniform

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
AutoOrPositive = Literal["auto"] | Positive
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A part of params.yaml: frozen, and without room for unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleParams(Section):
    """One sample of events."""

    process: Literal["ttbar", "qcd"]
    events: Positive


class EventsParams(Section):
    """The `events` stage: what Pythia 8 generates and the parametrised detector records."""

    train: SampleParams = SampleParams(process="ttbar", events=64)
    validation: SampleParams = SampleParams(process="qcd", events=48)
    pileup: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    minimum_bias_pool: Positive = 2000
    workers: AutoOrPositive = "auto"


class UniformParams(Section):
    """A real hyperparameter, uniform in its value or in its logarithm."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> UniformParams:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be positive on a log scale")
        return self

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return (LogUniform if self.scale == "log" else Uniform)(self.low, self.high)


class ChoiceParams(Section):
    """An integer hyperparameter with a few allowed values."""

    values: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return Choice(self.values)


def _table_1(name: str) -> Any:
    domain = TABLE_1.domains[name]
    if isinstance(domain, Choice):
        return ChoiceParams(values=domain.values)
    return UniformParams(low=domain.low, high=domain.high, scale=domain.scale)  # type: ignore[arg-type]


class SpaceParams(Section):
    """The search space; the defaults are table 1 of the paper."""

    lr: UniformParams = _table_1("lr")
    n_glayers_id: ChoiceParams = _table_1("n_glayers_id")
    n_glayers_reg: ChoiceParams = _table_1("n_glayers_reg")
    dropout: UniformParams = _table_1("dropout")
    bin_size: ChoiceParams = _table_1("bin_size")
    output_dim: ChoiceParams = _table_1("output_dim")
    weight_decay: UniformParams = _table_1("weight_decay")

    def search_space(self) -> SearchSpace:
        """Return the space to sample from."""
        return SearchSpace({name: getattr(self, name).domain() for name in TABLE_1.names})


Widths = Annotated[tuple[Positive, ...], Field(min_length=1)]


class NetworkParams(Section):
    """Widths of MLPF that no trial changes; docs/scale.md has those of the paper."""

    embedding_dim: Positive = 32
    hash_columns: Positive = 512
    class_head: Widths = (64, 32)
    charge_head: Widths = (32,)
    regression_head: Widths = (64, 32)


class TrainingParams(Section):
    """How every trial is trained. All of it is part of a trial's identity."""

    batch_events: Positive = 8
    batch_elements: Positive | None = None
    threads: Positive = 1
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"


class ResourceParams(Section):
    """What a trial gets of this machine; changes no trial's result."""

    concurrency: AutoOrPositive = "auto"
    gpus_per_trial: Annotated[float, Field(ge=0.0)] | Literal["auto"] = "auto"
    epoch_timeout_seconds: PositiveFloat = 1800.0


class CampaignParams(Section):
    """The `campaign` stage: random configurations trained in full."""

    trials: Positive = 48
    epochs: Annotated[int, Field(ge=2)] = 16


class SvrParams(Section):
    """The paper's support vector regression."""

    C: PositiveFloat = 67.61
    gamma: PositiveFloat = 0.1
    epsilon: Annotated[float, Field(ge=0.0)] = 0.02


class QsvrParams(Section):
    """QSVR: the QUBO's encoding and the annealer's settings."""

    n_bits: Positive = 3
    base: PositiveFloat = 0.5
    k0: float = 0.005
    xi: PositiveFloat = 0.01
    epsilon: Annotated[float, Field(ge=0.0)] = 0.02
    gamma: PositiveFloat = 0.1
    sampler: str = "simulated_annealing"
    reads: Positive = 100
    sweeps: Positive = 100
    kept: Positive = 4
    combination: str = "best"
    points: Positive = 20


class PredictorsParams(Section):
    """The `predictors` stage: who competes, at which share of the curve, and how they are scored."""

    candidates: Annotated[tuple[str, ...], Field(min_length=1)] = ("persistence", "svr", "qsvr")
    known_fraction: OpenFraction = 0.25
    outer_folds: Annotated[int, Field(ge=2)] = 5
    inner_folds: Annotated[int, Field(ge=2)] = 3
    criterion: Literal["spearman", "r2", "log_mae"] = "spearman"
    coverage: OpenFraction = 0.9
    table_2_splits: Positive = 20
    table_2_points: Annotated[int, Field(ge=3)] = 20
    svr: SvrParams = SvrParams()
    qsvr: QsvrParams = QsvrParams()


class SearchParams(Section):
    """The `search` stage: ASHA with and without the champion, on one stream of configurations."""

    configurations: Positive = 24
    max_epochs: Annotated[int, Field(ge=2)] = 16
    grace_epochs: Positive = 1
    reduction_factor: Annotated[float, Field(gt=1.0)] = 3.0
    predict_from_epoch: Annotated[int, Field(ge=0)] = 2
    predict_every: Positive = 1
    coverage: OpenFraction = 0.9
    champion: str = "champion"

    @model_validator(mode="after")
    def _grace_fits(self) -> SearchParams:
        if self.grace_epochs > self.max_epochs:
            raise ValueError(f"grace_epochs ({self.grace_epochs}) exceeds max_epochs ({self.max_epochs})")
        return self


class BenchmarkParams(Section):
    """The `benchmark` stage: a fixed configuration trained in N copies."""

    copies: AutoOrPositive = "auto"
    threads: Positive = 1
    events_per_thread: Positive = 64
    epochs: Annotated[int, Field(ge=2)] = 4
    batch_size: Positive = 8
    minimum_overlap: Fraction = 0.5


class Params(Section):
    """All of params.yaml."""

    seed: Seed = 42
    events: EventsParams = EventsParams()
    space: SpaceParams = SpaceParams()
    network: NetworkParams = NetworkParams()
    training: TrainingParams = TrainingParams()
    resources: ResourceParams = ResourceParams()
    campaign: CampaignParams = CampaignParams()
    predictors: PredictorsParams = PredictorsParams()
    search: SearchParams = SearchParams()
    benchmark: BenchmarkParams = BenchmarkParams()


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
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such parameter file; run this in the project folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected sections, found {type(content).__name__}")
    return parse_params(content, source=str(path))


def parse_params(content: dict[Any, Any], source: str = "params") -> Params:
    """Check a parameter mapping; `source` names it in error messages."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ConfigurationError(f"{source}:\n  " + "\n  ".join(lines)) from None


def _explain(problem: Any) -> str:
    """Return one validation problem as `path: what is wrong`."""
    location = [str(part) for part in problem["loc"]]
    path = ".".join(location) or "(top level)"
    if problem["type"] == "extra_forbidden":
        return f"{path}: unknown key{did_you_mean(location[-1], _known_keys(location[:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message[0].lower()}{message[1:]} (found {problem['input']!r:.80})"


def _known_keys(location: list[str]) -> list[str]:
    model: Any = Params
    for part in location:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            return []
        model = field.annotation
    return list(getattr(model, "model_fields", {}))
