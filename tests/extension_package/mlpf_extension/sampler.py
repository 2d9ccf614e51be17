"""A sampler: from random bits, flip one after another where that lowers the energy."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers import SampleResult, Settings


@dataclass(frozen=True)
class FlipDescent:
    """One sweep over the bits of each read."""

    reads: int

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Return the bits that are reached."""
        begin = time.perf_counter()
        bits = np.random.default_rng(seed).integers(0, 2, (self.reads, qubo.n_variables)).astype(np.uint8)
        for i in range(qubo.n_variables):
            flipped = bits.copy()
            flipped[:, i] ^= 1
            better = qubo.energies(flipped) < qubo.energies(bits)
            bits[better] = flipped[better]
        return SampleResult(bits, qubo.energies(bits), time.perf_counter() - begin)


def make(settings: Settings) -> FlipDescent:
    """Return the sampler with these settings."""
    return FlipDescent(settings.reads)
