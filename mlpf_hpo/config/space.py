"""Section `space` of params.yaml: ranges of the hyperparameters, by default those of table 1 of the paper."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mlpf_hpo.settings.validation import Section
from mlpf_hpo.space import TABLE_1, Choice, Domain, LogUniform, SearchSpace, Uniform


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

    values: Annotated[tuple[Annotated[int, Field(ge=0, le=10**6)], ...], Field(min_length=1)]

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return Choice(self.values)


def _within(low: float, below: float = math.inf) -> AfterValidator:
    """Return a check that a hyperparameter's whole range lies in [low, below)."""

    def check(domain: UniformParams | ChoiceParams) -> UniformParams | ChoiceParams:
        values = domain.values if isinstance(domain, ChoiceParams) else (domain.low, domain.high)
        for value in values:
            if not low <= value < below:
                limits = f"at least {low:g}" + ("" if below == math.inf else f" and below {below:g}")
                raise ValueError(f"{value:g} cannot be trained with; values must be {limits}")
        return domain

    return AfterValidator(check)


def _table_1(name: str) -> Any:
    domain = TABLE_1.domains[name]
    if isinstance(domain, Choice):
        return ChoiceParams(values=domain.values)
    return UniformParams(low=domain.low, high=domain.high, scale=domain.scale)  # type: ignore[arg-type]


class SpaceParams(Section):
    """The search space; the defaults are table 1 of the paper."""

    lr: Annotated[UniformParams, _within(0)] = _table_1("lr")
    n_glayers_id: Annotated[ChoiceParams, _within(0, below=101)] = _table_1("n_glayers_id")
    n_glayers_reg: Annotated[ChoiceParams, _within(0, below=101)] = _table_1("n_glayers_reg")
    dropout: Annotated[UniformParams, _within(0, below=1)] = _table_1("dropout")
    bin_size: Annotated[ChoiceParams, _within(1)] = _table_1("bin_size")
    output_dim: Annotated[ChoiceParams, _within(1, below=2**16 + 1)] = _table_1("output_dim")
    weight_decay: Annotated[UniformParams, _within(0)] = _table_1("weight_decay")

    def search_space(self) -> SearchSpace:
        """Return the space to sample from."""
        return SearchSpace({name: getattr(self, name).domain() for name in TABLE_1.names})
