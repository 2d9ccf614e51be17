"""Single reads on problems that the annealer answered: what energy says of R², what control errors cost.

The problems are those of the first members of the stored ensembles. Their samples are stored, those of the
singles are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.predictors.bias import loss_minimising_bias
from mlpf_hpo.predictors.combination import kept_samples
from mlpf_hpo.predictors.qubo import DualQubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import Sampler, SampleResult, make_sampler
from mlpf_hpo.predictors.samplers.control_error import ControlError
from mlpf_hpo.predictors.samplers.exact import lowest_objective
from mlpf_hpo.predictors.samplers.mock import MockAnnealer
from studies.published.annealer import new_rows, qubo_of
from studies.published.data import PublishedCurves, PublishedSolutions
from studies.published.methods import QPU
from studies.published.params import PublishedParams

FloatArray = NDArray[np.float64]

LOWEST = 4
"""Reads that the paper kept, those of lowest energy."""

DRAWN = 25
"""Reads of every problem in the drawing, evenly spaced in energy."""

DRAWN_KEYS = ("energy", "r2")

READS = 1000
"""Of every sampler, as many as the annealer had."""

SAMPLERS = {
    "random_bits": "random",
    "descent": "steepest_descent",
    "annealing": "simulated_annealing",
    "mock_pegasus": "mock_pegasus",
    "mock_zephyr": "mock_zephyr",
}
"""From their names in the study to those in the registry."""

PERFECT = "perfect"


class Problem:
    """The problem of the first member of a stored ensemble, and the new test rows of its split.

    Attributes
    ----------
    X, y : arrays [n_points, 13], [n_points]
        The member's training rows.
    qubo : DualQubo
    lowest : float
        Minimum of the dual objective, off the lattice of the bits.
    kept : array [4, 2, n_points]
        What the annealer returned.
    """

    def __init__(self, curves: PublishedCurves, ensemble: Mapping[str, Any]) -> None:
        split = curves.split_of(ensemble)
        new, member = new_rows(curves, split), ensemble["members"][0]
        self.X, self.y = np.asarray(member["X_train"]), np.asarray(member["y_train"])
        self.kept = np.reshape(member["kept_samples"], (LOWEST, 2, -1))
        self.qubo: DualQubo = qubo_of(member)
        self.lowest = lowest_objective(self.qubo)
        self.truth = curves.to_quantile(curves.curves.final[split.test][new])
        self._to_test = rbf_kernel(self.X, split.X_test[new], gamma=member["gamma"])

    def judged(self, multipliers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return errors on the training rows [n, n_points], and R² on the new test rows [n], of solutions.

        Parameters
        ----------
        multipliers : array [n, 2, n_points]
        """
        d = multipliers[:, 0] - multipliers[:, 1]
        left = self.y - d @ self.qubo.kernel
        bias = loss_minimising_bias(left, multipliers, self.qubo.epsilon)[:, np.newaxis]
        rest = self.truth - (d @ self._to_test + bias)
        variation = ((self.truth - self.truth.mean()) ** 2).sum()
        return left - bias, 1.0 - (rest**2).sum(axis=1) / variation

    def fitted(self, sampler: Sampler, seed: int) -> dict[str, float]:
        """Return `r2` and `training_error` of a QSVR that is fitted as the package does by default."""
        model = QSVR(sampler=sampler, random_state=seed).fit(self.X, self.y)
        errors, r2 = self.judged(model.alphas_[np.newaxis])
        return {"r2": float(r2[0]), "training_error": float((errors**2).mean())}


def energy_and_r2(
    curves: PublishedCurves, stored: PublishedSolutions, sweeps: int
) -> dict[str, dict[str, list[float]]]:
    """Return what the energy and the training error of a read say of its R² on new test rows.

    Returns
    -------
    dict
        Sampler -> one value per problem: `spearman_energy`, `spearman_error` (rank correlation with R²
        over all reads), `four_lowest`, `all_reads` (R² of the read of least training error among the four of
        lowest energy, and among all), and the drawn reads, `energy` in units of |minimum| and `r2`. Of the
        annealer the four stored reads of each problem are known, which leaves no correlation, nor a choice
        among all; of "zoom" the solution.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for number, ensemble in enumerate(stored.ensembles):
        problem = Problem(curves, ensemble)
        for name, result in _results(problem, sweeps, number):
            multipliers = result.multipliers(problem.qubo.encoding)
            errors, r2 = problem.judged(multipliers)
            values = _choices(errors, r2, result.energies)
            if name in SAMPLERS:
                values |= _correlations(errors, r2, result.energies)
            shown = np.unique(np.linspace(0, len(r2) - 1, DRAWN).astype(int))
            drawn = {"energy": result.energies[shown] / abs(problem.lowest), "r2": r2[shown]}
            for key, value in {**values, **drawn}.items():
                found.setdefault(name, {}).setdefault(key, []).extend(np.atleast_1d(value).tolist())
    return found


def precision(
    curves: PublishedCurves,
    stored: PublishedSolutions,
    params: PublishedParams,
    topology: str,
    strength: float,
) -> dict[str, dict[str, list[float]]]:
    """Return what a mock annealer of a topology is worth, by the control errors of its coefficients.

    Returns
    -------
    dict
        Control error -> one value per problem: `r2` on new test rows, and `training_error`, the mean
        square on the rows that were learnt from, which the package's default chain strengths are chosen by.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for number, ensemble in enumerate(stored.ensembles):
        problem = Problem(curves, ensemble)
        for name, control in control_errors(params).items():
            sampler = MockAnnealer(params.mock_reads, params.sweeps, topology, strength, control)
            for key, value in problem.fitted(sampler, number).items():
                found.setdefault(name, {}).setdefault(key, []).append(value)
    return found


def null_of_precision(
    curves: PublishedCurves, stored: PublishedSolutions, params: PublishedParams
) -> dict[str, list[float]]:
    """Return the same of as many random bit strings."""
    found: dict[str, list[float]] = {}
    for number, ensemble in enumerate(stored.ensembles):
        sampler = make_sampler("random", params.mock_reads)
        for key, value in Problem(curves, ensemble).fitted(sampler, number).items():
            found.setdefault(key, []).append(value)
    return found


def control_errors(params: PublishedParams) -> dict[str, ControlError]:
    """Return the control errors of the study by their labels."""
    rounded = {f"{bits} bits": ControlError(bits) for bits in params.control_bits}
    noisy = {f"{100 * params.control_noise:g} % errors": ControlError(noise=params.control_noise)}
    return {PERFECT: ControlError(), **rounded, **noisy}


def _results(problem: Problem, sweeps: int, seed: int) -> Iterator[tuple[str, SampleResult]]:
    """Yield the distinct reads of every sampler, lowest energy first, and the annealer's stored ones."""
    for name, sampler in SAMPLERS.items():
        yield name, make_sampler(sampler, READS, sweeps).sample(problem.qubo, seed).distinct()
    kept = problem.kept.reshape(LOWEST, -1)
    yield QPU, SampleResult(kept, problem.qubo.objective(problem.kept), 0.0, on_lattice=False).distinct()
    yield "zoom", make_sampler("zoom", 1).sample(problem.qubo, seed)


def _choices(errors: FloatArray, r2: FloatArray, energies: FloatArray) -> dict[str, float]:
    first = slice(0, LOWEST)
    lowest = kept_samples("training_error", 1, errors[first], energies[first])[0]
    return {
        "four_lowest": float(r2[lowest]),
        "all_reads": float(r2[kept_samples("training_error", 1, errors, energies)[0]]),
    }


def _correlations(
    errors: FloatArray, r2: FloatArray, energies: Sequence[float] | FloatArray
) -> dict[str, float]:
    by_error = (errors**2).mean(axis=1)
    return {
        "spearman_energy": float(spearmanr(energies, r2).statistic),
        "spearman_error": float(spearmanr(by_error, r2).statistic),
    }
