"""The dual of the ε-support-vector regression as a quadratic unconstrained binary optimisation (QUBO).

With d = α − α̂ the dual, its equality constraint Σd = 0 turned into a penalty, is to minimise

    ½ dᵀK d + ε Σ(α + α̂) − yᵀd + ξ (Σd)²        over 0 ≤ α_n, α̂_n ≤ C,

the formulation of Pasetto et al. (IGARSS 2022) that the paper uses. Every multiplier is a sum of weighted
bits, so that the bits alone keep it within its box.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError

if TYPE_CHECKING:
    import dimod

BitArray = NDArray[np.uint8]

MAX_BITS = 16
"""Most bits a multiplier may have: `Encoding.encode` looks values up in a table of 2**n_bits."""


@dataclass(frozen=True)
class Encoding:
    """How bits make the multipliers: α_n = Σ_k base^(k − k0) s_{n·n_bits + k}, then all α̂_n likewise.

    Attributes
    ----------
    n_bits : int
        Bits per multiplier.
    base, k0 : float
        Base of the bits' weights and offset of their exponents.
    """

    n_bits: int = 3
    base: float = 0.5
    k0: float = 0.005

    def __post_init__(self) -> None:
        if not 1 <= self.n_bits <= MAX_BITS:
            raise ConfigurationError(f"n_bits = {self.n_bits}: a multiplier has 1 to {MAX_BITS} bits")
        if self.base <= 0 or not np.isfinite(self.weights).all():
            raise ConfigurationError(
                f"base = {self.base}, k0 = {self.k0}: the bits need positive, finite weights"
            )

    @property
    def weights(self) -> FloatArray:
        """Weight of each bit of a multiplier, [n_bits]."""
        return np.asarray(float(self.base) ** (np.arange(self.n_bits) - self.k0))

    @property
    def upper_bound(self) -> float:
        """The largest value a multiplier can take: the C of the regression.

        Examples
        --------
        >>> round(Encoding(n_bits=3, base=0.5, k0=0.005).upper_bound, 3)
        1.756
        """
        return float(self.weights.sum())

    def n_variables(self, n_points: int) -> int:
        """Return the number of bits for `n_points` training points."""
        return 2 * n_points * self.n_bits

    def matrix(self, n_points: int) -> FloatArray:
        """Return the encoding as a matrix [2 n_points, n_variables]: (α, α̂) = matrix · bits."""
        return np.asarray(np.kron(np.eye(2 * n_points), self.weights), dtype=np.float64)

    def decode(self, bits: ArrayLike) -> FloatArray:
        """Return the multipliers [..., 2, n_points] (α first, then α̂) of bits [..., n_variables]."""
        bits = np.asarray(bits)
        return np.asarray(bits.reshape(*bits.shape[:-1], 2, -1, self.n_bits) @ self.weights)

    def encode(self, multipliers: ArrayLike) -> BitArray:
        """Return the bits [..., n_variables] nearest to the multipliers [..., 2, n_points]."""
        multipliers = np.asarray(multipliers, dtype=np.float64)
        codes = (np.arange(2**self.n_bits)[:, np.newaxis] >> np.arange(self.n_bits) & 1).astype(np.uint8)
        values = codes @ self.weights
        order = np.argsort(values, kind="stable")
        midpoints = (values[order][1:] + values[order][:-1]) / 2
        bits = codes[order][np.searchsorted(midpoints, multipliers)]
        return np.asarray(bits.reshape(*multipliers.shape[:-2], -1))


@dataclass(frozen=True, eq=False)
class Qubo:
    """Energies E(s) = sᵀ matrix s + offset of bit strings s.

    Attributes
    ----------
    matrix : array [n, n], float64
        Symmetric; the linear terms stand on the diagonal, because s² = s for a bit.
    offset : float
        Energy of the string of zeros.
    """

    matrix: FloatArray
    offset: float = 0.0

    @property
    def n_variables(self) -> int:
        """Number of bits."""
        return int(self.matrix.shape[0])

    @property
    def largest_coefficient(self) -> float:
        """Largest |Q| of the upper triangular form: linear terms, and one coefficient per pair of bits."""
        pairs = 2 * np.abs(self.matrix)
        np.fill_diagonal(pairs, np.abs(np.diagonal(self.matrix)))
        return float(pairs.max())

    def energies(self, bits: ArrayLike) -> FloatArray:
        """Return the energy of each row of `bits` [n_samples, n]."""
        states = np.asarray(bits, dtype=np.float64)
        return np.asarray(np.einsum("ij,ij->i", states @ self.matrix, states) + self.offset)

    def bqm(self) -> dimod.BinaryQuadraticModel:
        """Return the same problem for Ocean samplers, its variables labelled 0 to n − 1."""
        import dimod  # slow to import, and not needed for predictions

        model = dimod.BinaryQuadraticModel(self.matrix, dimod.BINARY)
        model.offset = self.offset
        return model


@dataclass(frozen=True, eq=False)
class DualQubo(Qubo):
    """The QUBO of a regression, with what it was made of: for samplers that leave the lattice of its bits.

    Attributes
    ----------
    kernel : array [n_points, n_points]
    y : array [n_points]
    epsilon, xi : float
    encoding : Encoding
        Parameters of `dual_qubo`.
    """

    kernel: FloatArray = field(kw_only=True)
    y: FloatArray = field(kw_only=True)
    epsilon: float = field(kw_only=True)
    xi: float = field(kw_only=True)
    encoding: Encoding = field(kw_only=True)

    def objective(self, multipliers: ArrayLike) -> FloatArray:
        """Return `dual_objective` of multipliers [..., 2, n_points]: on the lattice, the bits' energy."""
        return dual_objective(multipliers, self.kernel, self.y, self.epsilon, self.xi)


def dual_objective(
    multipliers: ArrayLike, kernel: FloatArray, y: FloatArray, epsilon: float, xi: float
) -> FloatArray:
    """Return the penalised dual objective of multipliers [..., 2, n_points], on or off the bits' lattice."""
    alpha, alpha_hat = np.moveaxis(np.asarray(multipliers, dtype=np.float64), -2, 0)
    difference = alpha - alpha_hat
    quadratic = np.einsum("...i,...i->...", difference @ kernel, difference) / 2
    linear = epsilon * (alpha + alpha_hat).sum(axis=-1) - difference @ y
    return np.asarray(quadratic + linear + xi * difference.sum(axis=-1) ** 2)


def dual_qubo(kernel: FloatArray, y: FloatArray, epsilon: float, xi: float, encoding: Encoding) -> DualQubo:
    """Return the QUBO whose energies are the penalised dual objective of the decoded bits.

    Parameters
    ----------
    kernel : array [n_points, n_points]
        Kernel matrix of the training points.
    y : array [n_points]
        Targets.
    epsilon : float
        Half width of the tube within which errors are free.
    xi : float
        Weight of the penalty that stands for the constraint Σd = 0.
    encoding : Encoding
        How bits make multipliers.

    Returns
    -------
    DualQubo
        On 2 · n_points · n_bits bits, fully connected.
    """
    weights, signs = encoding.weights, np.array([1.0, -1.0])
    pairs = np.kron(kernel / 2 + xi, np.outer(weights, weights))
    matrix = np.kron(np.outer(signs, signs), pairs)
    linear = epsilon * np.tile(weights, 2 * len(y)) - np.kron(signs, np.kron(y, weights))
    matrix[np.diag_indices_from(matrix)] += linear
    return DualQubo(matrix, kernel=kernel, y=y, epsilon=epsilon, xi=xi, encoding=encoding)
