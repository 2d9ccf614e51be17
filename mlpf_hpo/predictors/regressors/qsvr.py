"""`QSVR`: support vector regression as a QUBO, whose multipliers a sampler finds."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import ConfigurationError, DataError, look_up
from mlpf_hpo.predictors.bias import BIASES
from mlpf_hpo.predictors.combination import combination_weights, kept_samples
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.samplers import Sampler, make_sampler

DEVICE_SETTINGS = (
    "solver",
    "annealing_time",
    "chain_strength",
    "control_bits",
    "control_noise",
    "device_seconds",
)
"""Parameters that only devices, or their mocks, have a use for."""


class QSVR(RegressorMixin, BaseEstimator):
    """Support vector regression with an RBF kernel, trained by sampling a QUBO.

    The box constraint of the dual is that of the encoding, C = Σ_k base^(k − k0): scale a target first whose
    spread is far from 1.

    Parameters
    ----------
    gamma : float, default=0.1
        Width of the kernel exp(−gamma |x − x'|²).
    epsilon : float, default=0.02
        Half width of the tube within which errors are free, in units of the target.
    n_bits, base, k0 : int, float, float, default=3, 0.5, 0.005
        Encoding of the multipliers, see `mlpf_hpo.predictors.qubo.Encoding`.
    xi : float, default=0.01
        Weight of the penalty (Σ(α − α̂))².
    sampler : str or Sampler, default="zoom"
        A name in `mlpf_hpo.predictors.samplers.SAMPLERS`, or an object with its `sample` method.
    reads, sweeps : int, default=100
        Passed to a sampler given by name.
    solver, annealing_time, chain_strength, control_bits, control_noise, device_seconds
        Passed to a device of D-Wave, or its mock, given by name: see `mlpf_hpo.predictors.samplers.Settings`.
    kept : int, default=4
        How many distinct samples are combined.
    kept_by : {"training_error", "energy"}, default="training_error"
        Which: those of least mean squared training error among all reads, or those of lowest energy, as the
        paper did.
    combination : str, default="best"
        How: a name in `mlpf_hpo.predictors.combination.COMBINATIONS`. Scores are training errors.
    bias : {"loss", "paper"}, default="loss"
        "loss" minimises the ε-insensitive training loss; "paper" reproduces published numbers.
    random_state : int, RandomState instance or None, default=0
        Seeds the sampler.

    Attributes
    ----------
    X_fit_ : array [n_points, n_features_in_]
        Training points.
    alphas_ : array [2, n_points]
        The combined multipliers α and α̂.
    dual_coef_ : array [n_points]
        α − α̂.
    intercept_ : float
        The bias.
    kept_alphas_, kept_energies_, weights_ : arrays [n_kept, 2, n_points], [n_kept], [n_kept]
        The samples that were combined, in the order of `kept_by`, and their weights.
    lowest_energy_ : float
        Of all reads.
    sampling_seconds_ : float
        Wall time of the sampler.
    sampling_info_ : dict
        What the sampler says of its run: numbers and strings.
    """

    def __init__(
        self,
        gamma: float = 0.1,
        epsilon: float = 0.02,
        n_bits: int = 3,
        base: float = 0.5,
        k0: float = 0.005,
        xi: float = 0.01,
        sampler: str | Sampler = "zoom",
        reads: int = 100,
        sweeps: int = 100,
        solver: str = "",
        annealing_time: float = 20.0,
        chain_strength: float | str = "auto",
        control_bits: int | None = None,
        control_noise: float = 0.0,
        device_seconds: float = 60.0,
        kept: int = 4,
        kept_by: str = "training_error",
        combination: str = "best",
        bias: str = "loss",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.gamma = gamma
        self.epsilon = epsilon
        self.n_bits = n_bits
        self.base = base
        self.k0 = k0
        self.xi = xi
        self.sampler = sampler
        self.reads = reads
        self.sweeps = sweeps
        self.solver = solver
        self.annealing_time = annealing_time
        self.chain_strength = chain_strength
        self.control_bits = control_bits
        self.control_noise = control_noise
        self.device_seconds = device_seconds
        self.kept = kept
        self.kept_by = kept_by
        self.combination = combination
        self.bias = bias
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Sample the dual of (X [n_points, n_features], y [n_points]) and combine the kept samples.

        Raises
        ------
        ConfigurationError
            If a parameter has no meaning, or the sampler cannot run.
        DataError
            If the kernel of the points is not finite.
        """
        self._check_parameters()
        points, targets, kernel = self._training_data(X, y)
        encoding = Encoding(self.n_bits, self.base, self.k0)
        qubo = dual_qubo(kernel, targets, self.epsilon, self.xi, encoding)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        result = self._sampler().sample(qubo, seed)

        found = result.distinct()
        multipliers = found.multipliers(encoding)
        residuals = targets - (multipliers[:, 0] - multipliers[:, 1]) @ kernel
        errors = residuals - BIASES[self.bias](residuals, multipliers, self.epsilon)[:, np.newaxis]
        kept = kept_samples(self.kept_by, self.kept, errors, found.energies)
        self.kept_alphas_, self.kept_energies_ = multipliers[kept], found.energies[kept]
        self.lowest_energy_ = float(found.energies[0])
        self.weights_ = combination_weights(self.combination, errors[kept], self.kept_energies_)
        self.sampling_seconds_ = result.seconds
        self.sampling_info_ = dict(result.info)
        alphas = np.tensordot(self.weights_, self.kept_alphas_, axes=1)
        return self._set_solution(points, targets, kernel, alphas)

    @classmethod
    def from_solution(cls, X: ArrayLike, y: ArrayLike, alphas: ArrayLike, **parameters: Any) -> Self:
        """Return a fitted model of stored multipliers; only its bias is computed.

        Parameters
        ----------
        X, y : array [n_points, n_features], array [n_points]
            The training points and targets.
        alphas : array [2, n_points]
            α and α̂.
        **parameters
            Constructor arguments, of which `gamma`, `epsilon` and `bias` matter.
        """
        model = cls(**parameters)
        model._check_parameters()
        points, targets, kernel = model._training_data(X, y)
        solution = np.asarray(alphas, dtype=np.float64)
        if solution.shape != (2, len(targets)):
            raise DataError(
                f"alphas have shape {solution.shape}, not (2, {len(targets)}): α and α̂ of each point"
            )
        return model._set_solution(points, targets, kernel, solution)

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return Σ_n (α_n − α̂_n) K(x_n, x) + b for each row of X [n_rows, n_features]."""
        check_is_fitted(self)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(
            rbf_kernel(points, self.X_fit_, gamma=self.gamma) @ self.dual_coef_ + self.intercept_
        )

    def _training_data(self, X: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        points, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported below
            kernel = np.asarray(rbf_kernel(points, gamma=self.gamma))
        if not np.isfinite(kernel).all():
            raise DataError(
                f"the kernel is not finite: gamma = {self.gamma}, features up to {np.abs(points).max():.3g}; "
                "scale the features first"
            )
        return points, np.asarray(targets, dtype=np.float64), kernel

    def _sampler(self) -> Sampler:
        if isinstance(self.sampler, str):
            settings = {name: getattr(self, name) for name in DEVICE_SETTINGS}
            return make_sampler(self.sampler, self.reads, self.sweeps, **settings)
        return self.sampler

    def _set_solution(self, X: FloatArray, y: FloatArray, kernel: FloatArray, alphas: FloatArray) -> Self:
        self.X_fit_ = X
        self.alphas_ = alphas
        self.dual_coef_ = alphas[0] - alphas[1]
        residuals = y - kernel @ self.dual_coef_
        self.intercept_ = float(BIASES[self.bias](residuals, alphas, self.epsilon))
        return self

    def _check_parameters(self) -> None:
        look_up(BIASES, self.bias, "bias", "rule")
        if self.kept < 1:
            raise ConfigurationError(f"kept = {self.kept}: at least one sample is needed")
        for name, lowest in {"gamma": 0.0, "epsilon": 0.0, "xi": 0.0}.items():
            if not lowest <= getattr(self, name) < np.inf:
                raise ConfigurationError(
                    f"{name} = {getattr(self, name)}: must be finite and not below {lowest:g}"
                )
