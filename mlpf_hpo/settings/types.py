"""Types of parameters: numbers and names with the ranges that params.yaml allows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticKnownError

from mlpf_hpo.extensions import Registry
from mlpf_hpo.seeds import LARGEST_SEED

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
OpenFraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1, le=10**9)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
Epochs = Annotated[int, Field(ge=2, le=10**6)]
Folds = Annotated[int, Field(ge=2, le=1000)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]

Trials = Annotated[int, Field(ge=1, le=10**5)]
"""Number of configurations of one campaign or search, all of which are held in memory."""

Width = Annotated[int, Field(ge=1, le=2**16)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
"""Numbers of outputs of layers: the number of weights is the product of two of them."""

FailuresAllowed = Annotated[int, Field(ge=0, le=10**9)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Processes = Annotated[int, Field(ge=1, le=4096)]
AutoOrProcesses = Literal["auto"] | Processes
Repetitions = Annotated[int, Field(ge=1, le=10**5)]
"""Number of repetitions, for each of which something is kept: a sample, a temperature, a split."""

Seconds = Annotated[float, Field(ge=0.0, le=1e8, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0.0, le=1e8)]
"""Waiting times: three years at most, which every clock and timeout holds."""

LEAST_REDUCTION = 1.01
"""Of eta, with rungs at grace * eta^k: closer to 1 there are more rungs than any search has epochs."""

ReductionFactor = Annotated[float, Field(ge=LEAST_REDUCTION, le=1e6)]


def registered(registry: Registry[Any]) -> AfterValidator:
    """Return a check that a text is a name in a registry; the named object is not loaded."""

    def check(name: str) -> str:
        if name not in registry:
            *others, last = (repr(known) for known in registry)
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
        return name

    return AfterValidator(check)


def _text(value: Any) -> Any:
    """Return a whole number as the text it was before a command line or YAML took it for a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text_or_none(value: Any) -> Any:
    return "" if value is None else _text(value)


WholeNumberOrText = BeforeValidator(_text)
"""For names: ``dvc exp run -S training.precision=32`` writes a number, whatever quotes stand there."""

NumberTextOrNothing = BeforeValidator(_text_or_none)
"""For names that may be empty; a command line writes an empty name as null."""
