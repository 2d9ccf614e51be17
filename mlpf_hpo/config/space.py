"""Section `space` of params.yaml: a domain for each hyperparameter, by default those of table 1 of the paper.

A domain is a range, ``{low: 1.0e-6, high: 0.1, scale: log}``, a range of whole numbers,
``{type: int, low: 1, high: 8}``, or a list of values, ``{values: [relu, gelu]}``; a boolean is the list
``{values: [false, true]}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    RootModel,
    model_validator,
)

from mlpf_hpo.curves.column_names import is_reserved
from mlpf_hpo.settings.validation import Section
from mlpf_hpo.space import TABLE_1, Choice, Domain, Integer, LogUniform, SearchSpace, Uniform, Value, kind_of

LARGEST_WHOLE = 2**53
"""Whole numbers up to this one are the same as floats, which is what regressors take."""

LONGEST_TEXT, MOST_VALUES = 100, 1000
"""Letters of a category, and values of a list."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,99}")
"""Of a hyperparameter: what MLflow takes for the name of a parameter, without blanks and commas."""

WholeNumber = Annotated[int, Field(ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
Scale = Literal["linear", "log"]


def _value(value: Any) -> Value:
    if isinstance(value, str):
        if not value.strip() == value or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
            raise ValueError(f"a text must have 1 to {LONGEST_TEXT} letters, none of them a blank at an end")
    elif isinstance(value, bool | int | float):
        if not math.isfinite(value) or (abs(value) > LARGEST_WHOLE and isinstance(value, int)):
            raise ValueError(f"a number must be finite, a whole one at most {LARGEST_WHOLE}")
    else:
        raise ValueError("must be a number, a text, true or false")  # noqa: TRY004 - pydantic takes ValueError
    return value


def _a_few(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if not 1 <= len(values) <= MOST_VALUES:
        raise ValueError(f"a list must have 1 to {MOST_VALUES} values")
    return values


class FloatParams(Section):
    """A real hyperparameter, uniform in its value or in its logarithm."""

    low: float
    high: float
    scale: Scale = "linear"
    type: Annotated[Literal["float"], Field(exclude=True)] = "float"

    @model_validator(mode="after")
    def _ordered(self) -> FloatParams:
        _check_range(self)
        return self

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return (LogUniform if self.scale == "log" else Uniform)(self.low, self.high)


class IntegerParams(Section):
    """A hyperparameter that is a whole number of a range, both ends included."""

    low: WholeNumber
    high: WholeNumber
    scale: Scale = "linear"
    type: Literal["int"] = "int"

    @model_validator(mode="after")
    def _ordered(self) -> IntegerParams:
        _check_range(self)
        return self

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return Integer(self.low, self.high, self.scale)


class ChoiceParams(Section):
    """A hyperparameter with a few allowed values: all numbers, all texts, or booleans."""

    values: Annotated[tuple[Annotated[Value, PlainValidator(_value)], ...], AfterValidator(_a_few)]

    @model_validator(mode="after")
    def _of_one_kind(self) -> ChoiceParams:
        kinds = sorted({kind_of(value) for value in self.values})
        if len(kinds) > 1:
            raise ValueError(f"values must be of one kind, and there are {' and '.join(kinds)}; quote texts")
        return self

    def domain(self) -> Domain:
        """Return the sampling domain."""
        return Choice(self.values)


AnyParams = FloatParams | IntegerParams | ChoiceParams


def _check_range(params: FloatParams | IntegerParams) -> None:
    if not params.low < params.high:
        raise ValueError(f"low ({params.low}) must be below high ({params.high})")
    if params.scale == "log" and params.low <= 0:
        raise ValueError(f"low ({params.low}) must be positive on a log scale")


def _by_its_keys(content: Any) -> Any:
    """Return a domain of the type that its keys determine, so that errors are about that type alone."""
    if isinstance(content, AnyParams):
        return content
    if not isinstance(content, Mapping):
        raise ValueError("must be a range, {low: ..., high: ...}, or a list, {values: [...]}")  # noqa: TRY004
    if "values" in content:
        return ChoiceParams.model_validate(content)
    return (IntegerParams if content.get("type") == "int" else FloatParams).model_validate(content)


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("a hyperparameter's name must be of letters, digits and _ . / -, at most 100")
    if is_reserved(name):
        raise ValueError("a hyperparameter cannot have this name: tables of curves use it")
    return name


def params_of(domain: Domain) -> AnyParams:
    """Return the parameters of a domain."""
    if isinstance(domain, Choice):
        return ChoiceParams(values=domain.values)
    if isinstance(domain, Integer):
        return IntegerParams(low=domain.low, high=domain.high, scale=_scale(domain))
    return FloatParams(low=domain.low, high=domain.high, scale=_scale(domain))


def _scale(domain: Domain) -> Scale:
    return "log" if domain.scale == "log" else "linear"


Domains = dict[
    Annotated[str, AfterValidator(_checked_name)], Annotated[AnyParams, BeforeValidator(_by_its_keys)]
]


class SpaceParams(RootModel[Domains]):
    """The search space: hyperparameter name -> domain; the default is table 1 of the paper.

    The order of the names in the file changes nothing: those of table 1 are sampled first, in its order, then
    the others by name.

    Examples
    --------
    >>> space = SpaceParams.model_validate({"layers": {"type": "int", "low": 1, "high": 8}})
    >>> space.search_space().domains["layers"]
    Integer(low=1, high=8, scale='linear')
    """

    model_config = ConfigDict(frozen=True)

    root: Domains = Field(default_factory=lambda: {n: params_of(d) for n, d in TABLE_1.domains.items()})

    def search_space(self) -> SearchSpace:
        """Return the space to sample from."""
        first = [name for name in TABLE_1.names if name in self.root]
        names = first + sorted(set(self.root) - set(first))
        return SearchSpace({name: self.root[name].domain() for name in names})

    def with_defaults(self, space: SearchSpace) -> SpaceParams:
        """Return this space, where it names no domain that of another."""
        defaults = {name: params_of(domain) for name, domain in space.domains.items()}
        return SpaceParams({**defaults, **self.root})
