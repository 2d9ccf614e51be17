"""`Zoom`: descents on ever finer lattices around the best solution so far."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.predictors.qubo import BitArray, DualQubo, FloatArray, Qubo
from mlpf_hpo.predictors.samplers.base import (
    SampleResult,
    off_lattice,
    regression_of,
    require_at_least_one,
    signs_apart,
)
from mlpf_hpo.predictors.samplers.classical import SteepestDescent

BITS = 3
"""Of every signed variable and round."""

SHRINK = 0.8
"""Step of a round in units of that of the round before: 30 rounds end at a lattice 650 times finer."""


@dataclass(frozen=True)
class Zoom:
    """Steepest descent in the signed d = α − α̂, on a lattice that closes in on the incumbent round by round.

    A round puts 8 values around the incumbent of every d_n and looks for the best choice among them, a
    QUBO of half as many bits as the dual's. The first box is the encoding's, −C to C; no round leaves it.

    What comes back leaves the lattice of the dual's bits: its energies are the dual objective, which may be
    below the lowest energy of any string of bits. It is no model of what an annealer does.

    Attributes
    ----------
    reads : int
        Descents per round, and solutions returned: the best of all rounds.
    rounds : int
        Number of lattices.
    """

    reads: int = 100
    rounds: int = 30

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads, rounds=self.rounds)

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Refine from d = 0.

        Raises
        ------
        ConfigurationError
            If `qubo` is not that of a regression.
        """
        dual = regression_of(qubo, "zoom")
        start = time.perf_counter()
        descent = SteepestDescent(self.reads)
        best = np.zeros((1, len(dual.y)))
        step = dual.encoding.upper_bound / 2 ** (BITS - 1)
        for number in range(self.rounds):
            lattice = _Lattice(dual, best[0], step)
            found = lattice.decode(descent.sample(lattice.qubo(), seed + number).samples)
            pool = np.concatenate([best, found])
            order = np.argsort(dual.objective(signs_apart(pool)), kind="stable")
            best = pool[order[: self.reads]]
            step *= SHRINK
        seconds = time.perf_counter() - start
        return off_lattice(dual, best, seconds, {"reads": self.reads, "rounds": self.rounds})


class _Lattice:
    """The choices of one round: d_n = centre_n + step (code_n − 4), the code from 0 to 7 in binary."""

    def __init__(self, dual: DualQubo, centre: FloatArray, step: float) -> None:
        self._dual = dual
        self._lowest = centre - step * 2 ** (BITS - 1)
        self._weights = step * 2.0 ** np.arange(BITS)

    def decode(self, bits: BitArray | FloatArray) -> FloatArray:
        """Return d [n_reads, n_points], kept within the box."""
        bound = self._dual.encoding.upper_bound
        steps = bits.reshape(len(bits), -1, BITS) @ self._weights
        return np.asarray(np.clip(self._lowest + steps, -bound, bound))

    def qubo(self) -> Qubo:
        """Return the objective on this lattice, up to a constant; exact but for |d_n| next to 0."""
        dual = self._dual
        quadratic = dual.kernel / 2 + dual.xi
        matrix = np.kron(quadratic, np.outer(self._weights, self._weights))
        linear = np.kron(2 * quadratic @ self._lowest - dual.y, self._weights)
        matrix[np.diag_indices_from(matrix)] += linear
        matrix += dual.epsilon * _block_diagonal(self._magnitudes())
        return Qubo(np.asarray(matrix, dtype=np.float64))

    def _magnitudes(self) -> FloatArray:
        """Return |d_n| as quadratic forms in the bits of d_n, [n_points, BITS, BITS].

        On both sides of 0 |d_n| is no quadratic form of its bits; the nearest one by least squares is used
        instead. Solutions are evaluated by the true objective.
        """
        codes = np.arange(2**BITS)[:, np.newaxis] >> np.arange(BITS) & 1
        pairs = list(itertools.combinations_with_replacement(range(BITS), 2))
        terms = [np.ones(len(codes)), *(codes[:, i] * codes[:, j] for i, j in pairs)]
        values = np.abs(self._lowest[:, np.newaxis] + codes @ self._weights)
        coefficients = np.linalg.pinv(np.column_stack(terms)) @ values.T
        forms = np.zeros((len(values), BITS, BITS))
        for (i, j), coefficient in zip(pairs, coefficients[1:], strict=True):
            forms[:, i, j] += coefficient / 2
            forms[:, j, i] += coefficient / 2
        return forms


def _block_diagonal(blocks: FloatArray) -> FloatArray:
    n, size, _ = blocks.shape
    matrix = np.zeros((n, size, n, size))
    matrix[np.arange(n), :, np.arange(n), :] = blocks
    return matrix.reshape(n * size, -1)
