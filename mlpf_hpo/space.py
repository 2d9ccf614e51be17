"""The search space of MLPF hyperparameters (table 1 of the paper): names, ranges, scales, sampling."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

Configuration: TypeAlias = Mapping[str, float | int]
"""One point of the search space: hyperparameter name -> value."""

Mode: TypeAlias = Literal["min", "max"]
"""Whether small or large values of a metric are what is searched for."""


@dataclass(frozen=True)
class Uniform:
    """A real number, uniform in [low, high]."""

    low: float
    high: float
    scale: str = "linear"

    def sample(self, generator: np.random.Generator) -> float:
        """Draw one value."""
        return float(generator.uniform(self.low, self.high))

    def contains(self, value: float) -> bool:
        """Tell whether a value can be drawn."""
        return _between(self.low, value, self.high)

    def describe(self) -> str:
        """Return it in words that hold all of it."""
        return f"{self.low!r} to {self.high!r}"


@dataclass(frozen=True)
class LogUniform:
    """A positive real number whose logarithm is uniform in [log low, log high]."""

    low: float
    high: float
    scale: str = "log"

    def sample(self, generator: np.random.Generator) -> float:
        """Draw one value."""
        return float(math.exp(generator.uniform(math.log(self.low), math.log(self.high))))

    def contains(self, value: float) -> bool:
        """Tell whether a value can be drawn."""
        return _between(self.low, value, self.high)

    def describe(self) -> str:
        """Return it in words that hold all of it."""
        return f"{self.low!r} to {self.high!r} ({self.scale})"


@dataclass(frozen=True)
class Choice:
    """One of a few integers, each as likely as the others."""

    values: tuple[int, ...]
    scale: str = "linear"

    def sample(self, generator: np.random.Generator) -> int:
        """Draw one value."""
        return int(generator.choice(self.values))

    def contains(self, value: float) -> bool:
        """Tell whether a value can be drawn."""
        return value in self.values

    def describe(self) -> str:
        """Return it in words that hold all of it."""
        return f"one of {', '.join(str(value) for value in sorted(set(self.values)))}"


Domain: TypeAlias = Uniform | LogUniform | Choice


@dataclass(frozen=True)
class SearchSpace:
    """Named domains, in the order in which they are sampled."""

    domains: Mapping[str, Domain]

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", MappingProxyType(dict(self.domains)))

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameter names in order."""
        return tuple(self.domains)

    def sample(self, generator: np.random.Generator) -> dict[str, float | int]:
        """Draw one configuration."""
        return {name: domain.sample(generator) for name, domain in self.domains.items()}

    def stream(self, n: int, seed: int) -> list[dict[str, float | int]]:
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
    """Tell whether a value lies in a closed range, whose ends a logarithm and its exponential may move."""
    return low <= value <= high or math.isclose(value, low) or math.isclose(value, high)


def config_id(configuration: Configuration, names: Sequence[str] | None = None) -> str:
    """Return a short stable hash of a configuration's values, independent of the seed.

    Examples
    --------
    >>> config_id({"lr": 0.1, "bin_size": 8}) == config_id({"bin_size": 8, "lr": 0.1})
    True
    """
    picked = {name: configuration[name] for name in (names or configuration)}
    return stable_hash({name: float(value) for name, value in picked.items()})


def stable_hash(content: object, length: int = 12) -> str:
    """Return the first hexadecimal digits of the SHA-256 of `content` written as canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]
