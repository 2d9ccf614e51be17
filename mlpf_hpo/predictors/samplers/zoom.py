"""`Zoom`: descents on ever finer lattices around the best solution so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.qubo import DualQubo, Qubo
from mlpf_hpo.predictors.samplers.base import (
    SampleResult,
    off_lattice,
    regression_of,
    require_at_least_one,
    signs_apart,
)
from mlpf_hpo.seeds import derive_seed

CODES = 8
"""Values of every d_n in a round: three signed bits."""

SHRINK = 0.9
"""Step of a round in units of that of the round before: 60 rounds end at a lattice 500 times finer."""

LEAST_DESCENTS = 10
"""Of a round."""

LEAST_GAIN = 1e-12
"""A move that lowers the objective by less is none."""

MOVES_PER_POINT = 20
"""Most moves of a descent, per training point."""


@dataclass(frozen=True)
class Zoom:
    """Steepest descent in the signed d = α − α̂, on a lattice that closes in on the incumbent round by round.

    A round puts 8 values around the incumbent of every d_n and descends from random choices among them, all
    descents at once; a move gives one d_n any other of its values, as many bits as that flips. The first box
    is the encoding's, −C to C; no round leaves it.

    What comes back leaves the lattice of the dual's bits: its energies are the dual objective, which may be
    below the lowest energy of any string of bits. It is no model of what an annealer does.

    Attributes
    ----------
    reads : int
        Most solutions returned: the best of all rounds. A round has a tenth as many descents, at least 10.
    rounds : int
        Number of lattices.
    """

    reads: int = 100
    rounds: int = 60

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
        descents = max(LEAST_DESCENTS, self.reads // 10)
        generator = np.random.default_rng(derive_seed(seed, "zoom"))
        best = np.zeros((1, len(dual.y)))
        step = 2 * dual.encoding.upper_bound / CODES
        for _ in range(self.rounds):
            lattice = Lattice(dual, best[0], step)
            pool = np.concatenate([best, lattice.descend(lattice.draw(descents, generator))])
            order = np.argsort(dual.objective(signs_apart(pool)), kind="stable")
            best = pool[order[: self.reads]]
            step *= SHRINK
        seconds = time.perf_counter() - start
        return off_lattice(dual, best, seconds, {"reads": self.reads, "rounds": self.rounds})


class Lattice:
    """The choices of one round: d_n = centre_n + step · code, the code from −4 to 3, kept within the box.

    Parameters
    ----------
    dual : DualQubo
        Its objective is ½ dᵀH d − yᵀd + ε Σ|d_n| with H = K + 2ξ.
    centre : array [n_points]
    step : float
    """

    def __init__(self, dual: DualQubo, centre: FloatArray, step: float) -> None:
        self._hessian = dual.kernel + 2 * dual.xi
        self._y, self._epsilon, self._bound = dual.y, dual.epsilon, dual.encoding.upper_bound
        self._centre, self._step = centre, step

    def values(self, codes: FloatArray) -> FloatArray:
        """Return d of codes [..., n_points]; a code beyond the ends counts as the end."""
        inside = _between(codes, -CODES // 2, CODES // 2 - 1)
        return _between(self._centre + self._step * inside, -self._bound, self._bound)

    def draw(self, reads: int, generator: np.random.Generator) -> FloatArray:
        """Return random choices [reads, n_points]."""
        codes = generator.integers(-CODES // 2, CODES // 2, size=(reads, len(self._y)))
        return self.values(codes.astype(np.float64))

    def descend(self, d: FloatArray) -> FloatArray:
        """Return what is left of choices [reads, n_points] after their best moves, one d_n a move.

        Along one d_n the objective is convex. Its minimum off the lattice is known, and the nearest value to
        it is the move; the slopes H d − y follow each move by a row of H.
        """
        d, slopes, read = d.copy(), d @ self._hessian - self._y, np.arange(len(d)) * d.shape[1]
        moves, change = np.empty_like(d), np.empty_like(d)
        best_moves = self._best_moves(d, slopes, moves, change)
        all_d, all_moves, all_change = (values.reshape(-1) for values in (d, moves, change))
        for _ in range(MOVES_PER_POINT * len(self._y)):
            best_moves()
            point = change.argmin(axis=1)
            at = read + point
            going = all_change[at] < -LEAST_GAIN
            if not going.any():
                break
            move = all_moves[at] * going
            all_d[at] += move
            slopes += move[:, np.newaxis] * self._hessian[point]
        return d

    def _best_moves(
        self, d: FloatArray, slopes: FloatArray, moves: FloatArray, change: FloatArray
    ) -> Callable[[], None]:
        """Return a function that writes the best move of each d_n and its change of the objective.

        For so few numbers it is calls that take the time: with arrays of one shape, and a place for every
        result, half as much.
        """
        codes = np.array([[-CODES // 2], [CODES // 2 - 1]], dtype=np.float64)
        curvature, half, centre, step, epsilon, below, bottom, top = (
            np.array(np.broadcast_to(values, d.shape), order="C")
            for values in (
                *(np.diagonal(self._hessian), np.diagonal(self._hessian) / 2),
                *(self._centre, self._step, self._epsilon, -self._epsilon),
                *self.values(codes),
            )
        )
        ends, size = np.empty_like(d), np.empty_like(d)

        def write() -> None:
            pull = np.subtract(np.multiply(curvature, d, ends), slopes, ends)
            inside = np.minimum(np.maximum(pull, below, out=change), epsilon, out=change)
            lowest = np.divide(np.subtract(pull, inside, ends), curvature, ends)
            code = np.rint(np.divide(np.subtract(lowest, centre, ends), step, ends), ends)
            value = np.add(centre, np.multiply(step, code, ends), ends)
            np.minimum(np.maximum(value, bottom, out=ends), top, out=ends)
            np.subtract(ends, d, moves)
            np.multiply(moves, np.add(slopes, np.multiply(half, moves, change), change), change)
            growth = np.subtract(np.abs(ends, ends), np.abs(d, size), ends)
            np.add(change, np.multiply(epsilon, growth, ends), change)

        return write


def _between(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return values clipped; numpy's own clip takes longer to call than to do so for small arrays."""
    return np.minimum(np.maximum(values, low), high)
