"""Samplers of bits that run on this machine: the null, a greedy descent and three heuristics that sweep."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import dwave.samplers
import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers.base import Info, SampleResult, from_sample_set, require_at_least_one
from mlpf_hpo.seeds import library_seed


@dataclass(frozen=True)
class RandomBits:
    """Independent fair bits: what any other sampler has to beat.

    Attributes
    ----------
    reads : int
        Number of bit strings.
    """

    reads: int = 100

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads)

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Draw bit strings."""
        start = time.perf_counter()
        generator = np.random.default_rng(library_seed("numpy", seed))
        samples = generator.integers(0, 2, size=(self.reads, qubo.n_variables), dtype=np.uint8)
        seconds = time.perf_counter() - start
        return SampleResult(samples, qubo.energies(samples), seconds, {"reads": self.reads})


@dataclass(frozen=True)
class SteepestDescent:
    """From random bits, flip the bit that lowers the energy most until none does.

    Attributes
    ----------
    reads : int
        Number of descents.
    """

    reads: int = 100

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads)

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Descend from `reads` random starts."""
        sampler = dwave.samplers.SteepestDescentSampler()
        given = library_seed("steepest descent", seed)
        return _timed(sampler, qubo, {"reads": self.reads}, num_reads=self.reads, seed=given)


@dataclass(frozen=True)
class _Sweeping:
    """Settings of samplers that sweep."""

    reads: int = 100
    sweeps: int = 100

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads, sweeps=self.sweeps)


@dataclass(frozen=True)
class SimulatedAnnealing(_Sweeping):
    """Metropolis updates on one core at falling temperature, over the range that Ocean chooses by default.

    Attributes
    ----------
    reads : int
        Number of anneals.
    sweeps : int
        Updates of every bit per anneal.
    """

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Anneal `reads` times."""
        return _timed(
            dwave.samplers.SimulatedAnnealingSampler(),
            qubo,
            asdict(self),
            num_reads=self.reads,
            num_sweeps=self.sweeps,
            beta_range=default_beta_range(qubo),
            seed=library_seed("simulated annealing", seed),
        )


@dataclass(frozen=True)
class PathIntegralAnnealing(_Sweeping):
    """Simulated quantum annealing: updates of the imaginary-time paths of a transverse-field model.

    The field falls and the temperature stays, as Ocean chooses by default.

    Attributes
    ----------
    reads : int
        Number of anneals.
    sweeps : int
        Updates of every path per anneal.
    """

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Anneal `reads` times."""
        return _timed(
            dwave.samplers.PathIntegralAnnealingSampler(),
            qubo,
            asdict(self),
            num_reads=self.reads,
            num_sweeps=self.sweeps,
            seed=library_seed("path integral", seed),
        )


@dataclass(frozen=True)
class Tabu(_Sweeping):
    """Tabu search without restarts, stopped by its number of updates and not by the clock.

    Attributes
    ----------
    reads : int
        Number of searches.
    sweeps : int
        Updates per bit and search.
    """

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Search from `reads` random starts."""
        return _timed(
            dwave.samplers.TabuSampler(),
            qubo,
            asdict(self),
            num_reads=self.reads,
            coefficient_z_first=self.sweeps,
            lower_bound_z=0,
            num_restarts=0,
            timeout=None,
            seed=library_seed("tabu", seed),
        )


def default_beta_range(qubo: Qubo) -> tuple[float, float] | None:
    """Return `beta_range` of a QUBO.

    Ocean finds it by a loop over all couplings, which for a dense problem takes a good part of the time of
    short anneals.
    """
    couplings = np.abs(qubo.matrix) / 2
    np.fill_diagonal(couplings, 0.0)
    fields = np.abs(qubo.matrix.sum(axis=1)) / 2
    strengths = np.column_stack([fields, couplings])
    smallest = np.where(strengths > 0, strengths, np.inf).min(axis=1)
    return beta_range(strengths.sum(axis=1), smallest)


def beta_range(totals: FloatArray, smallest: FloatArray) -> tuple[float, float] | None:
    """Return the first and last inverse temperature that Ocean's annealer chooses by default.

    At first, a spin against all of its fields flips with probability 1/2; at last, the spins with the
    smallest nonzero field flip with probability 1/100 in all.

    Parameters
    ----------
    totals, smallest : array [n_spins]
        Sum and minimum of the magnitudes of a spin's nonzero field and couplings; infinity where it has none.

    Returns
    -------
    (float, float) or None
        None where all coefficients are zero, which Ocean has a convention for.
    """
    gap = smallest.min()
    if not np.isfinite(gap):
        return None
    n_gaps = int((smallest == gap).sum())
    return float(np.log(2) / (2 * totals.max())), float(np.log(n_gaps / 0.01) / (2 * gap))


def _timed(sampler: Any, qubo: Qubo, info: Info, **settings: Any) -> SampleResult:
    model = qubo.bqm()
    start = time.perf_counter()
    sample_set = sampler.sample(model, **settings)
    return from_sample_set(sample_set, time.perf_counter() - start, info)
