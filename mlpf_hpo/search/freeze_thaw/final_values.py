"""What hyperparameters say of final values: Gaussian processes, with and without a prior campaign.

Whether a prior campaign is of the same task cannot be known before. So several processes are kept, of
different correlation with it, from none to one; how likely each makes what is observed decides their weights
(Bayesian model averaging), so that a misleading campaign is unlearnt within a few trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.curves.schema import LearningCurves, regressor_columns
from mlpf_hpo.predictors.regressors.joint_process import JointProcess, matern_covariance
from mlpf_hpo.predictors.regressors.rank_transform import RankScale
from mlpf_hpo.search.freeze_thaw.extrapolation import LEAST_CURVES
from mlpf_hpo.search.prior_ranking import check_known

CORRELATIONS = (0.0, 0.5, 0.8, 0.95, 1.0)
"""Of the final values of the search with those of the prior campaign at the same hyperparameters."""

OWN_SHARES = (0.0, 0.5, 0.9)
"""Shares of the variance of final values that hyperparameters explain, without a prior campaign."""

OFFSET, OWN_OFFSET = 0.01, 0.3
"""Variances of a common offset, in variances of final values: of the same task, and of an unknown one."""

UNRELATED_OFFSET = 0.5
"""Variance of the offset that is added as the correlation falls from 1 to 0."""

LENGTH_SCALE = 1.5
"""Length scale before any value is known: times the root of the number of hyperparameters."""

JITTER, LEAST_VARIANCE = 1e-6, 1e-8

LARGEST_PRIOR = 500
"""Final values of the prior that are used; of more, so many are drawn evenly."""


@dataclass(frozen=True)
class Process:
    """A Gaussian process of the final values of all trials.

    The covariance is ``scale * (sum of weight * matrix + offset + own * identity)``: a search asks for few of
    its entries, and the matrices are the same for several processes.

    Attributes
    ----------
    mean : array [n]
        Of the final values.
    terms : tuple of (float, array [n, n])
        Weights and matrices.
    offset, own, scale : float
        Variance that all trials share, and that each has for itself; the unit of all of these.
    """

    mean: FloatArray
    terms: tuple[tuple[float, FloatArray], ...]
    offset: float
    own: float
    scale: float


def prior_finals(prior: LearningCurves, max_epochs: int) -> FloatArray:
    """Return the costs of a prior campaign's curves after `max_epochs`, or at their ends if they are shorter.

    NaN where that is not known.

    Raises
    ------
    DataError
        If too few are known.
    """
    final = prior.values[:, max_epochs - 1] if prior.n_epochs >= max_epochs else prior.final
    check_known(prior, final, LEAST_CURVES)
    return np.where(np.isfinite(final), final if prior.mode == "min" else -final, np.nan)


class PriorCampaign:
    """What the final values of a prior campaign say of the trials of a search.

    Parameters
    ----------
    inputs, final : array [p, d], array [p]
        Hyperparameters, with a spread of about 1, and final values on the axis.
    trials : array [n, d]
        Hyperparameters of the trials.

    Attributes
    ----------
    mean, spread : float
        Of the final values.
    """

    def __init__(self, inputs: FloatArray, final: FloatArray, trials: FloatArray) -> None:
        used = slice(None, None, max(1, -(-len(final) // LARGEST_PRIOR)))
        process = JointProcess(folds=2).fit(inputs[used], final[used])
        self.mean, self.spread = process.mean_, process.spread_
        self._noise = process.noise_variance_
        known = process.covariance(inputs[used], inputs[used])
        known[np.diag_indices_from(known)] += self._noise
        between = process.covariance(trials, inputs[used])
        self._own = process.covariance(trials, trials)
        factor = np.linalg.cholesky(known)
        self._predicted = between @ cho_solve((factor, True), (final[used] - self.mean) / self.spread)
        explained = solve_triangular(factor, between.T, lower=True)
        self._left = self._own - explained.T @ explained

    def processes(
        self, mean: float, spread: float, correlations: Sequence[float] = CORRELATIONS
    ) -> list[Process]:
        """Return one process for each correlation, for final values of a mean and a spread."""
        return [
            Process(
                mean + spread * rho * self._predicted,
                ((rho**2, self._left), (1 - rho**2, self._own)),
                OFFSET + UNRELATED_OFFSET * (1 - rho**2),
                self._noise,
                spread**2,
            )
            for rho in correlations
        ]


class OwnProcesses:
    """Processes without a prior campaign, by the share of the variance that hyperparameters explain.

    Parameters
    ----------
    trials : array [n, d]
        Hyperparameters of the trials, with a spread of about 1; d may be 0.
    """

    def __init__(self, trials: FloatArray) -> None:
        d = trials.shape[1]
        self._smooth = matern_covariance(trials, LENGTH_SCALE * math.sqrt(max(d, 1)))

    def processes(self, mean: float, variance: float) -> list[Process]:
        """Return the processes for final values of a mean and a variance."""
        mean_of_all = np.full(len(self._smooth), mean)
        return [
            Process(mean_of_all, ((share, self._smooth),), OWN_OFFSET, 1 - share, variance)
            for share in OWN_SHARES
        ]


def condition(
    processes: Sequence[Process], rows: IntArray, values: FloatArray, variance: FloatArray, asked: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of the average of processes, given noisy values at rows.

    Parameters
    ----------
    processes : sequence of Process
        Equally likely before.
    rows, values, variance : array of int [o], array [o], array [o]
        Observed rows, their values, and the variances of these.
    asked : array of int [m]
        Rows to predict.

    Returns
    -------
    mean, variance : array [m], array [m]
    """
    blocks = _Blocks(rows, asked)
    means, variances, evidence = [], [], []
    for process in processes:
        residual = values - process.mean[rows]
        solve = _solve if any(weight for weight, _ in process.terms) else _solve_unrelated
        change, left, log_likelihood = solve(process, blocks, residual, variance + JITTER)
        means.append(process.mean[asked] + change)
        variances.append(left)
        evidence.append(log_likelihood)
    weights = np.exp(np.array(evidence) - max(evidence))
    weights /= weights.sum()
    average = weights @ np.stack(means)
    spread = weights @ (np.stack(variances) + (np.stack(means) - average) ** 2)
    return average, np.maximum(spread, LEAST_VARIANCE)


Solved = tuple[FloatArray, FloatArray, float]
"""What observations add to the means of those asked, their variances, and how likely the observations are."""


def _solve(process: Process, blocks: _Blocks, residual: FloatArray, noise: FloatArray) -> Solved:
    n = len(residual)
    both, before = blocks.of(process)
    both[np.diag_indices(n)] += noise
    both[-1] = residual
    # LAPACK works on columns, and in place: the transposes are no copies.
    factor, solved = both[:n].T, both[n:].T
    if n:
        factor, _ = cho_factor(factor, lower=True, overwrite_a=True, check_finite=False)
        solved = solve_triangular(factor, solved, lower=True, overwrite_b=True, check_finite=False)
    explained, whitened = solved[:, :-1], solved[:, -1]
    left = before - np.einsum("ij,ij->j", explained, explained)
    likely = float(-0.5 * whitened @ whitened - np.log(np.diag(factor)).sum())
    return whitened @ explained, left, likely


def _solve_unrelated(process: Process, blocks: _Blocks, residual: FloatArray, noise: FloatArray) -> Solved:
    """Return the same of trials that share an offset and nothing else, where no matrix has to be solved.

    The covariance is a diagonal and one number in all places (Sherman and Morrison).
    """
    offset, own = process.scale * process.offset, process.scale * process.own
    precision = 1 / (own + noise)
    shared = offset / (1 + offset * precision.sum())
    solved = precision * residual
    of_offset = shared * solved.sum()
    change = np.full(len(blocks.asked), of_offset)
    left = np.full(len(blocks.asked), own + shared)
    asked, row = blocks.same
    kept = 1 - own * precision[row]
    change[asked] = of_offset * kept + own * solved[row]
    left[asked] = own * kept + shared * kept**2
    log_determinant = np.log1p(offset * precision.sum()) - np.log(precision).sum()
    return change, left, float(-0.5 * (residual @ solved - of_offset * solved.sum() + log_determinant))


class _Blocks:
    """The entries of covariances that are needed; those of each matrix are taken once for all processes.

    Attributes
    ----------
    asked : array of int [m]
        Rows to predict.
    same : (array of int, array of int)
        Positions in `asked`, and in the observed rows, of those that are both.
    """

    def __init__(self, rows: IntArray, asked: IntArray) -> None:
        self._rows, self.asked = rows, asked
        self._columns = np.concatenate([rows, asked])
        self.same = np.nonzero(asked[:, np.newaxis] == rows)
        self._taken: dict[int, tuple[FloatArray, FloatArray]] = {}

    def of(self, process: Process) -> tuple[FloatArray, FloatArray]:
        """Return covariances with the rows, of these and of those asked, [o + m + 1, o], and variances [m].

        The covariances are the caller's; those in the last row mean nothing.
        """
        n, scale = len(self._rows), process.scale
        found = np.full((len(self._columns) + 1, n), scale * process.offset)
        before = np.full(len(self.asked), process.offset + process.own)
        for weight, matrix in process.terms:
            if weight:
                entries, diagonal = self._entries(matrix)
                found[:-1] += scale * weight * entries
                before += weight * diagonal
        found[np.diag_indices(n)] += scale * process.own
        same, column = self.same
        found[n + same, column] += scale * process.own
        return found, scale * before

    def _entries(self, matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
        key = id(matrix)
        if key not in self._taken:
            self._taken[key] = matrix[self._columns][:, self._rows], matrix[self.asked, self.asked]
        return self._taken[key]


def encode(*tables: pd.DataFrame) -> list[FloatArray]:
    """Return hyperparameters as ranks with a spread of 1, scaled on all tables together.

    Columns without any spread are left out.
    """
    together = regressor_columns(pd.concat(tables, ignore_index=True))
    matrix = np.zeros((len(together), 0))
    if together.shape[1]:
        matrix = CurveFeatures().fit(together).transform(together)
        matrix = matrix[:, np.ptp(matrix, axis=0) > 0]
    if matrix.shape[1]:
        matrix = make_pipeline(RankScale(), StandardScaler()).fit_transform(matrix)
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return list(np.split(matrix, ends))
