"""`Sampler` protocol and `SampleResult`: from a QUBO and a seed to bit strings with their energies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import BitArray, DualQubo, Encoding, Qubo

if TYPE_CHECKING:
    import dimod

Info = Mapping[str, float | int | str]


@dataclass(frozen=True, eq=False)
class SampleResult:
    """What a sampler found, one row per read.

    Attributes
    ----------
    samples : array [n_reads, n_variables], uint8
        Bit strings, in the QUBO's order of variables. Of a sampler that leaves the lattice of the bits: the
        multipliers themselves, float64, all α and then all α̂ of a read.
    energies : array [n_reads], float64
        Their energies.
    seconds : float
        Wall time of the sampling itself.
    info : mapping
        What else is worth a record: settings, and a device's own timings. Numbers and strings only.
    on_lattice : bool
        Whether samples are bits.
    """

    samples: BitArray | FloatArray
    energies: FloatArray
    seconds: float
    info: Info = field(default_factory=dict)
    on_lattice: bool = True

    def distinct(self) -> SampleResult:
        """Return the distinct samples, lowest energy first.

        Samples of equal energy come in lexicographic order, so that the result does not depend on the order
        of the reads.
        """
        _, first = np.unique(self.samples, axis=0, return_index=True)
        order = first[np.argsort(self.energies[first], kind="stable")]
        return replace(self, samples=self.samples[order], energies=self.energies[order])

    def multipliers(self, encoding: Encoding) -> FloatArray:
        """Return α and α̂ of every sample, [n_reads, 2, n_points]."""
        if self.on_lattice:
            return encoding.decode(self.samples)
        return np.asarray(self.samples.reshape(len(self.samples), 2, -1), dtype=np.float64)


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


def signs_apart(differences: FloatArray) -> FloatArray:
    """Return multipliers [..., 2, n_points] of d = α − α̂ [..., n_points]; no α stands against its α̂."""
    return np.stack([np.maximum(differences, 0.0), np.maximum(-differences, 0.0)], axis=-2)


def off_lattice(qubo: DualQubo, differences: FloatArray, seconds: float, info: Info) -> SampleResult:
    """Return solutions d = α − α̂ [n_reads, n_points] as a `SampleResult`."""
    multipliers = signs_apart(differences)
    samples = multipliers.reshape(len(differences), -1)
    return SampleResult(samples, qubo.objective(multipliers), seconds, dict(info), on_lattice=False)


def regression_of(qubo: Qubo, sampler: str) -> DualQubo:
    """Return `qubo` as the QUBO of a regression, which some samplers need.

    Raises
    ------
    ConfigurationError
        If it is any other.
    """
    if not isinstance(qubo, DualQubo):
        raise ConfigurationError(f"sampler = {sampler!r}: works on regressions only; choose another")
    return qubo
