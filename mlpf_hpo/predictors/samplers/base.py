"""What a sampler is: from a QUBO and a seed to bit strings with their energies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import dimod
import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import BitArray, Qubo

FloatArray = NDArray[np.float64]
Info = Mapping[str, float | int | str]


@dataclass(frozen=True, eq=False)
class SampleResult:
    """What a sampler found, one row per read.

    Attributes
    ----------
    samples : array [n_reads, n_variables], uint8
        Bit strings, in the QUBO's order of variables.
    energies : array [n_reads], float64
        Their energies.
    seconds : float
        Wall time of the sampling itself.
    info : mapping
        What else is worth a record: settings, and a device's own timings. Numbers and strings only.
    """

    samples: BitArray
    energies: FloatArray
    seconds: float
    info: Info = field(default_factory=dict)

    def lowest_distinct(self, kept: int) -> tuple[BitArray, FloatArray]:
        """Return the `kept` distinct samples of lowest energy with their energies, lowest first.

        Fewer are returned when there are fewer. Samples of equal energy come in lexicographic order, so that
        the choice does not depend on the order of the reads.
        """
        samples, first = np.unique(self.samples, axis=0, return_index=True)
        order = np.argsort(self.energies[first], kind="stable")[:kept]
        return samples[order], self.energies[first][order]


@runtime_checkable
class Sampler(Protocol):
    """Anything that looks for bit strings of low energy."""

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Return samples of `qubo`; the same seed gives the same samples, except on quantum hardware."""
        ...


def from_sample_set(sample_set: dimod.SampleSet, seconds: float, info: Info) -> SampleResult:
    """Return Ocean's sample set as a `SampleResult`, its columns put into the QUBO's order of variables."""
    columns = np.argsort(np.asarray(list(sample_set.variables), dtype=np.int64))
    samples = np.asarray(sample_set.record.sample)[:, columns].astype(np.uint8)
    return SampleResult(samples, np.asarray(sample_set.record.energy, dtype=np.float64), seconds, dict(info))


def require_at_least_one(**numbers: int) -> None:
    """Raise ConfigurationError for a number of reads or sweeps below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ConfigurationError(f"{name} = {number}: a sampler needs at least one")
