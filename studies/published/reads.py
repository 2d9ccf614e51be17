"""Single reads on problems that the annealer answered: what energy says of R², what control errors cost.

The problems are those of the first members of the stored ensembles. Their samples are stored, those of the
singles are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.predictors.bias import loss_minimising_bias
from mlpf_hpo.predictors.combination import kept_samples
from mlpf_hpo.predictors.qubo import DualQubo
from mlpf_hpo.predictors.samplers import SampleResult, make_sampler
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

Scores = dict[str, dict[str, list[float]]]
"""From a name and a number's name to its values, problem by problem."""


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

    def chosen(self, result: SampleResult) -> dict[str, float]:
        """Return what a choice among distinct reads, lowest energy first, is worth.

        Returns
        -------
        dict
            R² of the read of least training error: `four_lowest` among the four of lowest energy, as in the
            paper, `all_reads` among all, the package's default; its `training_error`, a mean square; the
            reads' `median_energy`, and the `broken_chains` of devices.
        """
        errors, r2 = self.judged(result.multipliers(self.qubo.encoding))
        first = slice(0, LOWEST)
        lowest = kept_samples("training_error", 1, errors[first], result.energies[first])[0]
        best = kept_samples("training_error", 1, errors, result.energies)[0]
        return {
            "four_lowest": float(r2[lowest]),
            "all_reads": float(r2[best]),
            "training_error": float((errors[best] ** 2).mean()),
            "median_energy": float(np.median(result.energies)),
            "broken_chains": float(result.info.get("chain_break_fraction", 0.0)),
        }

    def drawn(self, result: SampleResult) -> dict[str, list[float]]:
        """Return `energy` in units of |minimum|, and `r2`, of some of the reads."""
        _, r2 = self.judged(result.multipliers(self.qubo.encoding))
        shown = np.unique(np.linspace(0, len(r2) - 1, DRAWN).astype(int))
        energy = result.energies[shown] / abs(self.lowest)
        return {"energy": energy.tolist(), "r2": r2[shown].tolist()}

    def correlations(self, result: SampleResult) -> dict[str, float]:
        """Return rank correlations of the reads' R² with their energies and their training errors."""
        errors, r2 = self.judged(result.multipliers(self.qubo.encoding))
        return {
            "spearman_energy": float(spearmanr(result.energies, r2).statistic),
            "spearman_error": float(spearmanr((errors**2).mean(axis=1), r2).statistic),
        }


def energy_and_r2(curves: PublishedCurves, stored: PublishedSolutions, sweeps: int) -> Scores:
    """Return what the energy and the training error of a read say of its R² on new test rows.

    Returns
    -------
    dict
        Sampler -> `Problem.chosen`, `Problem.drawn` and `Problem.correlations`, one value per problem, or
        read. Of the annealer four reads of each problem are known, which leaves no correlation, nor a choice
        among all; "zoom" is the one solution of lowest energy.
    """
    found: Scores = {}
    for number, ensemble in enumerate(stored.ensembles):
        problem = Problem(curves, ensemble)
        for name, result in _results(problem, sweeps, number):
            _put(found, name, problem.chosen(result))
            for key, values in problem.drawn(result).items():
                found[name].setdefault(key, []).extend(values)
            if name in SAMPLERS:
                _put(found, name, problem.correlations(result))
    return found


def precision(
    curves: PublishedCurves,
    stored: PublishedSolutions,
    params: PublishedParams,
    topology: str,
    strength: float,
) -> Scores:
    """Return what a mock annealer of a topology is worth, by the control errors of its coefficients.

    Returns
    -------
    dict
        Control error -> `Problem.chosen`, one value per problem. The package's default chain strengths are
        those of least training error: no test row chose them.
    """
    found: Scores = {}
    for number, ensemble in enumerate(stored.ensembles):
        problem = Problem(curves, ensemble)
        for name, control in control_errors(params).items():
            sampler = MockAnnealer(params.mock_reads, params.sweeps, topology, strength, control)
            _put(found, name, problem.chosen(sampler.sample(problem.qubo, number).distinct()))
    return found


def null_of_precision(
    curves: PublishedCurves, stored: PublishedSolutions, params: PublishedParams
) -> dict[str, list[float]]:
    """Return the same of as many random bit strings."""
    found: Scores = {}
    sampler = make_sampler("random", params.mock_reads)
    for number, ensemble in enumerate(stored.ensembles):
        problem = Problem(curves, ensemble)
        _put(found, "null", problem.chosen(sampler.sample(problem.qubo, number).distinct()))
    return found["null"]


def control_errors(params: PublishedParams) -> dict[str, ControlError]:
    """Return the control errors of the study by their labels."""
    rounded = {f"{bits} bits": ControlError(bits) for bits in params.control_bits}
    noisy = {f"{100 * params.control_noise:g} % errors": ControlError(noise=params.control_noise)}
    return {"perfect": ControlError(), **rounded, **noisy}


def _results(problem: Problem, sweeps: int, seed: int) -> Iterator[tuple[str, SampleResult]]:
    """Yield the distinct reads of every sampler, lowest energy first, and the annealer's stored ones."""
    for name, sampler in SAMPLERS.items():
        yield name, make_sampler(sampler, READS, sweeps).sample(problem.qubo, seed).distinct()
    kept = problem.kept.reshape(LOWEST, -1)
    yield QPU, SampleResult(kept, problem.qubo.objective(problem.kept), 0.0, on_lattice=False).distinct()
    yield "zoom", make_sampler("zoom", 1).sample(problem.qubo, seed)


def _put(found: Scores, name: str, values: Mapping[str, float]) -> None:
    for key, value in values.items():
        found.setdefault(name, {}).setdefault(key, []).append(value)
