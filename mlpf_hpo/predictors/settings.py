"""Settings of predictors: section `predictors` of params.yaml."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlpf_hpo.extensions import Registry
from mlpf_hpo.settings.types import (
    Folds,
    NumberTextOrNothing,
    OpenFraction,
    Positive,
    PositiveFloat,
    Repetitions,
    registered,
)
from mlpf_hpo.settings.validation import Section

LARGEST_EXPONENT = 500
"""Largest exponent of 2 in the weights of QSVR's bits: products of a few of them stay finite."""


REGRESSOR_NAMES = (
    "persistence",
    "drift",
    "power_law",
    "exponential",
    "mmf",
    "parametric",
    "svr",
    "nu_svr",
    "ridge",
    "forest",
    "extra_trees",
    "gaussian_process",
    "residual_svr",
    "residual_nu_svr",
    "residual_ridge",
    "residual_forest",
    "residual_trees",
    "halfway_ridge",
    "cautious_svr",
    "cautious_trees",
    "stacked",
    "qsvr",
    "qsvr_ensemble",
    "random_bits",
)
SAMPLER_NAMES = (
    "random",
    "steepest_descent",
    "simulated_annealing",
    "path_integral",
    "tabu",
    "zoom",
    "exact",
    "mock_pegasus",
    "mock_zephyr",
    "qpu",
    "leap_hybrid",
)
"""Built-in samplers: checking a name does not import the samplers."""

CandidateName = Annotated[
    str, registered(Registry("mlpf_hpo.regressors", "regressor", dict.fromkeys(REGRESSOR_NAMES)))
]
SamplerName = Annotated[
    str, registered(Registry("mlpf_hpo.samplers", "sampler", dict.fromkeys(SAMPLER_NAMES)))
]
KeptBy = Literal["training_error", "energy"]
CombinationName = Literal["mse", "mse_softmax", "log_cosh", "log_cosh_softmax", "best", "mean", "min_energy"]


class SvrParams(Section):
    """The paper's support vector regression."""

    C: Annotated[float, Field(gt=0.0, le=1e4)] = 67.61  # far above, the solver does not terminate
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
    chain_strength: PositiveFloat | Literal["auto"] = "auto"
    control_bits: Annotated[int, Field(ge=1, le=52)] | None = None
    control_noise: Annotated[float, Field(ge=0.0)] = 0.0
    device_seconds: Annotated[float, Field(ge=0.0)] = 60.0
    kept: Positive = 4
    kept_by: KeptBy = "training_error"
    combination: CombinationName = "best"
    points: Annotated[int, Field(ge=2, le=10**6)] | Literal["all"] = 20

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


Criterion = Literal["search", "spearman", "r2", "log_mae"]
"""What candidates are compared by: epochs of replayed searches, or predictions at one share of the curve."""

Candidates = Annotated[tuple[CandidateName, ...], Field(min_length=1), AfterValidator(_distinct)]


class PredictorsParams(Section):
    """The `predictors` stage: candidates, observed share of the curve, folds and criterion.

    Examples
    --------
    >>> from mlpf_hpo import PredictorsParams
    >>> params = PredictorsParams(candidates=("ridge", "svr"), coverage=0.8)
    >>> params.candidates, params.svr.C
    (('ridge', 'svr'), 67.61)
    """

    candidates: Candidates = (
        "persistence",
        "drift",
        "svr",
        "qsvr",
        "stacked",
    )
    known_fraction: OpenFraction = 0.25
    outer_folds: Folds = 5
    inner_folds: Folds = 3
    criterion: Criterion = "search"
    coverage: OpenFraction = 0.9
    table_2_splits: Repetitions = 20
    table_2_points: Annotated[int, Field(ge=3, le=10**6)] = 20
    svr: SvrParams = SvrParams()
    qsvr: QsvrParams = QsvrParams()


def least_curves(predictors: PredictorsParams) -> int:
    """Return how many curves the nested folds take: inner folds split the training rows of an outer fold."""
    outer, inner = predictors.outer_folds, predictors.inner_folds
    return max(6, 2 * outer, math.ceil(inner * outer / (outer - 1)))
