"""`GaussianProcess`: Gaussian process regression with a length scale for each feature."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.predictors.regressors.one_thread import one_blas_thread

NEAR, FAR = 0.1, 1e3
"""Bounds of length scales in standard deviations of a feature: one that is far does not matter."""


class GaussianProcess(RegressorMixin, BaseEstimator):
    """Gaussian process with a Matérn kernel, a length scale for each feature, and noise.

    All are found by the likelihood. Features should have a spread of about 1; targets may have any.

    Parameters
    ----------
    nu : float
        Smoothness of the kernel; 2.5 means twice differentiable.

    Attributes
    ----------
    process_ : fitted GaussianProcessRegressor
    """

    def __init__(self, nu: float = 2.5) -> None:
        self.nu = nu

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X [n, d] and y [n]."""
        rows, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        scales = np.full(rows.shape[1], 3.0)
        kernel = ConstantKernel(1.0) * Matern(scales, (NEAR, FAR), self.nu) + WhiteKernel(0.1, (1e-3, 10.0))
        with one_blas_thread(), warnings.catch_warnings():
            # A length scale at its bound is what an irrelevant feature gets; it is meant.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.process_ = GaussianProcessRegressor(kernel, normalize_y=True).fit(rows, target)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Return the mean of the process at each row of X [n, d]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(self.process_.predict(rows))
