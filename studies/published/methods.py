"""Compared methods: the paper's regressors, the null, the ceiling, persistence, and the quantum annealer."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.base import BaseEstimator
from sklearn.svm import SVR

from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.predictors.qubo import Encoding
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import describe_sampler
from studies.published.params import PublishedParams

C, GAMMA, EPSILON = 67.61, 0.1, 0.02
"""Of the paper's support vector regression."""

QPU = "qpu"


@dataclass(frozen=True)
class Method:
    """A regressor of the study.

    Attributes
    ----------
    label : str
        What tables call it.
    sampler : str
        Sampler of the QSVR; empty for a support vector regression.
    reads, sweeps : int
        Of the sampler.
    box : float
        C of the support vector regression.
    of_the_paper : bool
        Whether the paper had it: under its protocol, it then has its bias and its seven ways.
    """

    label: str
    sampler: str = ""
    reads: int = 1
    sweeps: int = 1
    box: float = C
    of_the_paper: bool = True

    def regressor(self, seed: int, paper: bool = False) -> BaseEstimator:
        """Return it unfitted: as the package fits it, or with the paper's bias and choice of samples."""
        if not self.sampler:
            return SVR(C=self.box, gamma=GAMMA, epsilon=EPSILON)
        return QSVR(
            gamma=GAMMA,
            epsilon=EPSILON,
            sampler=self.sampler,
            reads=self.reads,
            sweeps=self.sweeps,
            bias="paper" if paper and self.of_the_paper else "loss",
            kept_by="energy" if paper else "training_error",
            random_state=seed,
        )


def methods(params: PublishedParams) -> dict[str, Method]:
    """Return all methods that can be fitted here, by name."""
    box = Encoding().upper_bound
    reads, sweeps = params.reads, params.sweeps
    annealing = describe_sampler("simulated_annealing", reads, sweeps)
    return {
        "svr": Method("SVR (C = 67.61)"),
        "annealing": Method(f"QSVR, {annealing}", "simulated_annealing", reads, sweeps),
        "zoom": Method("QSVR, zoom (classical)", "zoom", 100, of_the_paper=False),
        "random_bits": Method("QSVR, random bits (null)", "random", 1000),
        "exact": Method(f"exact SVR, C = {box:.3f} (ceiling)", box=box),
    }


def labels(params: PublishedParams) -> dict[str, str]:
    """Return every method's name in tables, those that are not fitted included."""
    return {
        **{name: method.label for name, method in methods(params).items()},
        PERSISTENCE: "persistence (last loss seen)",
        QPU: "QSVR, quantum annealer (stored)",
    }
