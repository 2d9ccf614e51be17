"""The search space: hyperparameters that are floats, integers, categories or booleans.

`TABLE_1` is the space of the paper, of MLPF.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

Value: TypeAlias = float | int | str | bool
"""Value of a hyperparameter."""

Configuration: TypeAlias = Mapping[str, Value]
"""One point of the search space: hyperparameter name -> value."""

Mode: TypeAlias = Literal["min", "max"]
"""Whether small ("min") or large ("max") values of a metric are better."""


@dataclass(frozen=True)
class Uniform:
    """A real number, uniform in [low, high].

    Examples
    --------
    >>> dropout = Uniform(0.0, 0.5)
    >>> dropout.contains(0.3), dropout.describe()
    (True, '0.0 to 0.5')
    """

    low: float
    high: float
    scale: str = "linear"

    def sample(self, generator: np.random.Generator) -> float:
        """Draw one value."""
        return float(generator.uniform(self.low, self.high))

    def contains(self, value: Any) -> bool:
        """Return whether a value can be drawn."""
        return is_number(value) and _between(self.low, value, self.high)

    def describe(self) -> str:
        """Return the whole domain as text."""
        return f"{self.low!r} to {self.high!r}"


@dataclass(frozen=True)
class LogUniform(Uniform):
    """A positive real number whose logarithm is uniform in [log low, log high].

    Examples
    --------
    >>> lr = LogUniform(1e-4, 1e-1)
    >>> lr.contains(0.01), lr.describe()
    (True, '0.0001 to 0.1 (log)')
    """

    scale: str = "log"

    def sample(self, generator: np.random.Generator) -> float:
        """Draw one value."""
        return float(math.exp(generator.uniform(math.log(self.low), math.log(self.high))))

    def describe(self) -> str:
        """Return the whole domain as text."""
        return f"{self.low!r} to {self.high!r} ({self.scale})"


@dataclass(frozen=True)
class Integer:
    """A whole number of a range, both ends included.

    On the scale "log" its logarithm is about uniform: a real number is drawn log-uniformly and rounded.

    Examples
    --------
    >>> Integer(1, 8).describe(), Integer(1, 1024, "log").contains(3)
    ('1 to 8 (whole numbers)', True)
    """

    low: int
    high: int
    scale: str = "linear"

    def sample(self, generator: np.random.Generator) -> int:
        """Draw one value."""
        if self.scale == "linear":
            return int(generator.integers(self.low, self.high, endpoint=True))
        drawn = math.exp(generator.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(drawn), self.low), self.high)

    def contains(self, value: Any) -> bool:
        """Return whether a value can be drawn."""
        return is_number(value) and self.low <= value <= self.high and value == round(value)

    def describe(self) -> str:
        """Return the whole domain as text."""
        return f"{self.low} to {self.high} (whole numbers{', log' if self.scale == 'log' else ''})"


@dataclass(frozen=True)
class Choice:
    """One of a few values, each as likely as the others: all numbers, all texts, or booleans.

    Examples
    --------
    >>> Choice(("relu", "gelu")).contains("gelu"), Choice((False, True)).contains(1)
    (True, False)
    """

    values: tuple[Value, ...]
    scale: str = "linear"

    def sample(self, generator: np.random.Generator) -> Value:
        """Draw one value."""
        return self.values[int(generator.choice(len(self.values)))]

    def contains(self, value: Any) -> bool:
        """Return whether a value can be drawn."""
        return any(kind_of(value) == kind_of(one) and bool(value == one) for one in self.values)

    def describe(self) -> str:
        """Return the whole domain as text."""
        return f"one of {', '.join(to_text(value) for value in sorted(set(self.values)))}"


Domain: TypeAlias = Uniform | LogUniform | Integer | Choice


@dataclass(frozen=True)
class SearchSpace:
    """Named domains, in the order in which they are sampled.

    Examples
    --------
    >>> space = SearchSpace({"lr": LogUniform(1e-4, 1e-1), "layers": Choice((1, 2, 4))})
    >>> [list(configuration) for configuration in space.stream(2, seed=1)]
    [['lr', 'layers'], ['lr', 'layers']]
    >>> space.stream(3, seed=1)[:2] == space.stream(2, seed=1)
    True
    """

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", MappingProxyType(dict(self.domains)))

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameter names in order."""
        return tuple(self.domains)

    def sample(self, generator: np.random.Generator) -> dict[str, Value]:
        """Draw one configuration."""
        return {name: domain.sample(generator) for name, domain in self.domains.items()}

    def stream(self, n: int, seed: int) -> list[dict[str, Value]]:
        """Return the first `n` configurations of the stream that belongs to `seed`.

        The stream does not depend on `n`: asking for more extends it, so that a longer campaign
        begins with the trials of a shorter one.
        """
        return [self.sample(np.random.default_rng([seed, i])) for i in range(n)]


TABLE_1 = SearchSpace(
    {
        "lr": LogUniform(1e-6, 3e-2),
        "n_glayers_id": Choice((0, 1, 2, 3, 4)),
        "n_glayers_reg": Choice((0, 1, 2, 3, 4)),
        "dropout": Uniform(0.0, 0.5),
        "bin_size": Choice((8, 16, 32, 64, 128)),
        "output_dim": Choice((8, 16, 32, 64, 128, 256)),
        "weight_decay": LogUniform(1e-6, 1e-1),
    }
)
"""Table 1 of the paper."""


def _between(low: float, value: float, high: float) -> bool:
    """Return whether a value lies in a closed range, whose ends a logarithm and its exponential may move."""
    return low <= value <= high or math.isclose(value, low) or math.isclose(value, high)


def is_number(value: Any) -> bool:
    """Return whether a value is a number; a boolean is none."""
    return kind_of(value) == "number"


def kind_of(value: Any) -> Literal["boolean", "number", "text"]:
    """Return what kind of value it is, of Python's types or NumPy's.

    Examples
    --------
    >>> [kind_of(value) for value in (True, 8, 0.5, "relu")]
    ['boolean', 'number', 'number', 'text']
    """
    if isinstance(value, bool | np.bool_):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def to_text(value: Value) -> str:
    """Return a value as text, from which `from_text` makes the same value of the same type.

    A text that looks like another kind of value is put in quotation marks.

    Examples
    --------
    >>> [to_text(value) for value in (8, 0.5, True, "relu", "8")]
    ['8', '0.5', 'True', 'relu', '"8"']
    """
    if isinstance(value, str):
        return value if from_text(value) == value else json.dumps(value)
    return str(value)


def from_text(text: str) -> Value:
    """Return the value that `to_text` wrote.

    Examples
    --------
    >>> [from_text(text) for text in ("8", "8.0", "1e-3", "True", "relu", '"8"')]
    [8, 8.0, 0.001, True, 'relu', '8']
    """
    if text in ("True", "False"):
        return text == "True"
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def short_text(value: Value) -> str:
    """Return a value as people read it in a table or a name, a real number with three digits.

    Examples
    --------
    >>> [short_text(value) for value in (8, 0.00123456, True, "relu")]
    ['8', '0.00123', 'True', 'relu']
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def config_id(configuration: Configuration, names: Sequence[str] | None = None) -> str:
    """Return a short stable hash of a configuration's values, independent of the seed.

    Examples
    --------
    >>> config_id({"lr": 0.1, "bin_size": 8}) == config_id({"bin_size": 8, "lr": 0.1})
    True
    """
    return stable_hash(hashed_values({name: configuration[name] for name in (names or configuration)}))


def hashed_values(configuration: Configuration) -> dict[str, float | str]:
    """Return a configuration as it is hashed: 8, 8.0 and NumPy's 8 are the same value.

    Examples
    --------
    >>> hashed_values({"layers": 8, "activation": "relu"})
    {'layers': 8.0, 'activation': 'relu'}
    """
    return {name: value if isinstance(value, str) else float(value) for name, value in configuration.items()}


def stable_hash(content: object, length: int = 12) -> str:
    """Return the first hexadecimal digits of the SHA-256 of `content` written as canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]
