"""Names that the registries of `predictors` know, so that a wrong one is refused when params are read."""

from __future__ import annotations

from typing import Literal

CandidateName = Literal[
    "persistence",
    "drift",
    "power_law",
    "exponential",
    "mmf",
    "parametric",
    "svr",
    "nu_svr",
    "ridge",
    "forest",
    "extra_trees",
    "gaussian_process",
    "residual_svr",
    "residual_nu_svr",
    "residual_ridge",
    "residual_forest",
    "residual_trees",
    "halfway_ridge",
    "cautious_svr",
    "cautious_trees",
    "qsvr",
    "qsvr_ensemble",
    "random_bits",
]
SamplerName = Literal[
    "random",
    "steepest_descent",
    "simulated_annealing",
    "path_integral",
    "tabu",
    "zoom",
    "exact",
    "mock_pegasus",
    "mock_zephyr",
    "qpu",
    "leap_hybrid",
]
CombinationName = Literal["mse", "mse_softmax", "log_cosh", "log_cosh_softmax", "best", "mean", "min_energy"]
