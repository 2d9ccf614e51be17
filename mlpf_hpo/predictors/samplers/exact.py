"""`Exact`: the solution that samplers look for, by a classical solver."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from sklearn.svm import SVR

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.qubo import DualQubo, Qubo
from mlpf_hpo.predictors.samplers.base import SampleResult, off_lattice, regression_of

TOLERANCE = 1e-6
"""Of the optimality conditions of the support vector regression."""


@dataclass(frozen=True)
class Exact:
    """The support vector regression in the box of the encoding: the ceiling for samplers of its QUBO.

    libsvm solves the dual with its constraint Σd = 0, of which the QUBO has a penalty only.
    """

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Solve; the one solution does not depend on the seed.

        Raises
        ------
        ConfigurationError
            If `qubo` is not that of a regression.
        """
        del seed
        dual = regression_of(qubo, "exact")
        start = time.perf_counter()
        model = SVR(kernel="precomputed", C=dual.encoding.upper_bound, epsilon=dual.epsilon, tol=TOLERANCE)
        model.fit(dual.kernel, dual.y)
        difference = np.zeros((1, len(dual.y)))
        difference[0, model.support_] = model.dual_coef_[0]
        return off_lattice(dual, difference, time.perf_counter() - start, {"iterations": int(model.n_iter_)})


def lowest_objective(dual: DualQubo) -> float:
    """Return the least penalised dual objective within the box, off the lattice: what no sampler goes below.

    The problem is convex; L-BFGS-B finds its minimum to about 1e-8.
    """
    n = len(dual.y)
    hessian = dual.kernel + 2 * dual.xi

    def value_and_gradient(multipliers: FloatArray) -> tuple[float, FloatArray]:
        difference = multipliers[:n] - multipliers[n:]
        slope = hessian @ difference - dual.y
        value = dual.objective(multipliers.reshape(2, n))
        return float(value), np.concatenate([slope + dual.epsilon, dual.epsilon - slope])

    found = minimize(
        value_and_gradient,
        np.zeros(2 * n),
        jac=True,
        bounds=[(0.0, dual.encoding.upper_bound)] * (2 * n),
        method="L-BFGS-B",
        options={"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    return float(found.fun)
