"""params.yaml as typed, checked values: every number that a stage uses.

Unknown keys, wrong types and values out of range are refused with the key's path, for example
``campaign.epoch: unknown key (did you mean epochs?)``.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mlpf_hpo.config.names import CandidateName, CombinationName, SamplerName
from mlpf_hpo.config.parameters import parameters, read_parameters
from mlpf_hpo.config.space import SpaceParams
from mlpf_hpo.config.target import TargetParams
from mlpf_hpo.config.types import (
    AutoOrProcesses,
    Epochs,
    FailuresAllowed,
    Folds,
    Fraction,
    NumberTextOrNothing,
    OpenFraction,
    Positive,
    PositiveFloat,
    PositiveSeconds,
    ReductionFactor,
    Repetitions,
    Seconds,
    Seed,
    Threads,
    Trials,
    WholeNumberOrText,
    Width,
    Widths,
)
from mlpf_hpo.config.validation import Section

LARGEST_EXPONENT = 500
"""Of 2, for the weights of QSVR's bits: products of a few of them stay finite."""


class SampleParams(Section):
    """One sample of events."""

    process: Literal[
        "ttbar",
        "qcd",
        "gun-charged-hadron",
        "gun-neutral-hadron",
        "gun-photon",
        "gun-electron",
        "gun-muon",
    ]
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


class SvrParams(Section):
    """The paper's support vector regression."""

    C: Annotated[float, Field(gt=0.0, le=1e4)] = 67.61  # far above, the solver does not come to an end
    gamma: PositiveFloat = 0.1
    epsilon: Annotated[float, Field(ge=0.0)] = 0.02


class QsvrParams(Section):
    """QSVR: the QUBO's encoding and the annealer's settings."""

    n_bits: Annotated[int, Field(ge=1, le=16)] = 3
    base: PositiveFloat = 0.5
    k0: float = 0.005
    xi: PositiveFloat = 0.01
    epsilon: Annotated[float, Field(ge=0.0)] = 0.02
    gamma: PositiveFloat = 0.1
    sampler: SamplerName = "zoom"
    reads: Repetitions = 100
    sweeps: Annotated[int, Field(ge=1, le=10**7)] = 100
    solver: Annotated[str, NumberTextOrNothing] = ""
    annealing_time: PositiveFloat = 20.0
    chain_strength: PositiveFloat = 10.0
    device_seconds: Annotated[float, Field(ge=0.0)] = 60.0
    kept: Positive = 4
    combination: CombinationName = "best"
    points: Annotated[int, Field(ge=2, le=10**6)] = 20

    @model_validator(mode="after")
    def _weights_are_finite(self) -> QsvrParams:
        exponents = (-self.k0, self.n_bits - 1 - self.k0)
        if max(exponent * math.log2(self.base) for exponent in exponents) > LARGEST_EXPONENT:
            raise ValueError(f"base ({self.base}) and k0 ({self.k0}) give bits of infinite weight")
        return self


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return names


Candidates = Annotated[tuple[CandidateName, ...], Field(min_length=1), AfterValidator(_distinct)]


class PredictorsParams(Section):
    """The `predictors` stage: who competes, at which share of the curve, and how they are scored."""

    candidates: Candidates = (
        "persistence",
        "drift",
        "svr",
        "ridge",
        "halfway_ridge",
        "cautious_svr",
        "cautious_trees",
        "qsvr",
    )
    known_fraction: OpenFraction = 0.25
    outer_folds: Folds = 5
    inner_folds: Folds = 3
    criterion: Literal["spearman", "r2", "log_mae"] = "spearman"
    coverage: OpenFraction = 0.9
    table_2_splits: Repetitions = 20
    table_2_points: Annotated[int, Field(ge=3, le=10**6)] = 20
    svr: SvrParams = SvrParams()
    qsvr: QsvrParams = QsvrParams()


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


class BenchmarkParams(Section):
    """The `benchmark` stage: a fixed configuration trained in N copies."""

    copies: AutoOrProcesses = "auto"
    threads: Threads = 1
    events_per_thread: Positive = 48
    epochs: Epochs = 4
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
    tracking: TrackingParams = TrackingParams()
    target: TargetParams = TargetParams()
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
    return read_parameters(Params, Path(path), "the project folder")


def parse_params(content: dict[Any, Any], source: str = "params") -> Params:
    """Check a parameter mapping; `source` names it in error messages."""
    return parameters(Params, content, source)
