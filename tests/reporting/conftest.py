"""A small made-up run for the report: shapes as the stages leave them, numbers drawn at random."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.config import Params
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
from mlpf_hpo.evaluation.sample import Sample
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.target_metric import TargetMetric

METRICS = ("r2_loss", "r2_quantile", "spearman", "kendall", "top_recall", "log_mae", "coverage")
N, T = 12, 6
HOST = {
    "hardware_label": "box-2c",
    "cpu_model": "Box",
    "usable_cpus": 2,
    "memory_bytes": 8 * 2**30,
    "gpus": [],
    "system": "Linux 6",
    "versions": {"python": "3.11", "torch": "2"},
    "threads": {"torch": 1},
}


def _score(value: float) -> dict[str, float]:
    return {"mean": value, "std": 0.1, "low": value - 0.1, "high": value + 0.1}


@pytest.fixture(scope="session")
def validation_result() -> ValidationResult:
    """The validation of six events of random particles; there are no muons, and few electrons."""
    generator = np.random.default_rng(4)
    n, n_events = 360, 6
    pid = generator.choice(5, n, p=(0.1, 0.4, 0.2, 0.28, 0.02))
    pt, eta, phi = generator.lognormal(1, 1, n), generator.normal(0, 2, n), generator.uniform(-3, 3, n)
    truth = np.column_stack([pid, pid % 2, pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)])
    truth[pid == 0] = 0
    said = {}
    for name, share in (("mlpf", 0.2), ("ycand", 0.1)):
        table = truth * np.exp(0.1 * generator.normal(size=truth.shape))
        table[:, 0] = np.where(generator.random(n) < share, 0, pid)
        said[name] = table
    sample = Sample(
        n_events=n_events,
        event=np.repeat(np.arange(n_events), n // n_events),
        is_track=pid % 2 == 1,
        truth=truth,
        reconstructions=said,
        jets=np.array([[20.0, 0.1, 0.2, 1.0]] * n_events),
        jet_event=np.arange(n_events),
        met=generator.normal(0, 10, (n_events, 2)),
    )
    about = {
        "process": "qcd",
        "n_events": n_events,
        "pileup": 0.0,
        "trial": "t000",
        "epoch": 4,
        "trained_on": {"process": "ttbar", "n_events": 64, "pileup": 0.0},
    }
    return validate_reconstruction(sample, about, replicas=20)


@pytest.fixture(scope="session")
def inputs(validation_result: ValidationResult) -> ReportInput:
    generator = np.random.default_rng(0)
    values = np.sort(generator.uniform(1, 9, (N, T)))[:, ::-1].copy()
    values[3, 4:] = np.nan
    curves = LearningCurves(
        configs=pd.DataFrame({"config_id": [str(i) for i in range(N)], "seed": 0, "lr": 1e-3}),
        metrics={
            "val/loss": values,
            "train/loss": values * 0.9,
            "throughput/events_per_second": generator.uniform(20, 90, (N, T)),
        },
        target=TargetMetric("val/loss", "min"),
        status=np.where(np.arange(N) == 3, "diverged", "finished"),
        restart_epoch=np.full(N, -1),
        source="campaign abc",
        run_ids=np.array([f"r{i}" for i in range(N)]),
        hardware=np.full(N, "box-2c"),
    )
    true = generator.uniform(1, 5, N - 1)
    names = ("persistence", "svr", "qsvr")
    out = {
        "predicted": (true * 1.1).tolist(),
        "true": true.tolist(),
        "lower": [None, *(true[1:] * 0.8).tolist()],
        "upper": [None, *(true[1:] * 1.4).tolist()],
        "last_seen": true.tolist(),
    }
    predictors = {
        "rows": N - 1,
        "curves": N,
        "known_epochs": 2,
        "n_epochs": T,
        "outer_folds": 3,
        "criterion": "spearman",
        "coverage": 0.9,
        "winner": "svr",
        "reason": "svr is better than persistence by spearman, 0.2 +- 0.1",
        "predictors": {name: {metric: _score(0.5) for metric in METRICS} for name in names},
        "selected": {metric: _score(0.5) for metric in METRICS},
        "out_of_fold": dict.fromkeys(names, out),
        "shares": {name: [{"share": s, "spearman": s} for s in (0.0, 0.3, 0.5)] for name in names},
        "table_2": {
            "splits": 2,
            "points": 5,
            "known_epochs": 2,
            "rows": [
                {
                    "predictor": name,
                    "label": name,
                    "best": 0.9,
                    "worst": -2.0,
                    "mean": 0.5,
                    "std": 0.1,
                    "r2_scores": [0.9, -2.0],
                }
                for name in (*names, "random_bits")
            ],
            "not_possible": [{"label": "ensemble", "reason": "needs 160 complete curves, this run has 11"}],
        },
    }
    trial = {
        "configuration": {"lr": 1e-3},
        "status": "finished",
        "curve": [5.0, 4.0],
        "train_curve": [4.0, 3.0],
    }
    policy = {
        "campaign_id": "s",
        "parent_run_id": "p",
        "prior": None,
        "posterior": None,
        "epochs": 20,
        "wall_seconds": 3.0,
        "best_loss": 4.0,
        "best_trial": "t000",
        "stopped_by_rank": 1,
        "stopped_by_prediction": 1,
        "not_promoted": 0,
        "not_started": 0,
        "finished": 1,
        "diverged": 0,
        "failed": 0,
        "trials": [
            {**trial, "trial_id": "t000", "trial_key": "k0", "run_id": "r0", "reason": ""},
            {**trial, "trial_id": "t001", "trial_key": "k1", "status": "stopped", "reason": "rank"},
            {
                **trial,
                "trial_id": "t002",
                "trial_key": "k2",
                "status": "stopped",
                "reason": "prediction",
            },
        ],
        "incumbent": [[1.0, 5.0], [20.0, 4.0]],
    }
    thawing = {
        **policy,
        "label": "freeze-thaw",
        "prior": "12 curves of campaign abc",
        "posterior": {"t000": [4.5, 4.4, 4.6], "t001": [5.0, 4.2, 6.5], "t002": [7.0, 5.0, 9.0]},
        "epochs": 2,
        "best_loss": 4.5,
        "not_started": 2,
        "stopped_by_rank": 0,
        "stopped_by_prediction": 0,
        "trials": [
            {**trial, "trial_id": "t000", "trial_key": "k0", "reason": "", "curve": [5.0, 4.5]},
            *(
                {
                    **trial,
                    "trial_id": f"t00{i}",
                    "trial_key": f"k{i}",
                    "status": "stopped",
                    "reason": "not started",
                    "curve": [],
                    "train_curve": [],
                }
                for i in (1, 2)
            ),
        ],
        "incumbent": [[1.0, 5.0], [2.0, 4.5]],
    }
    manifest = {"n_events": 8, "process": "ttbar", "pileup": 0.0}
    return ReportInput(
        params=Params(),
        train=manifest,
        validation={**manifest, "process": "qcd"},
        campaign={
            "campaign_id": "abc",
            "epochs": T,
            "trials": [{"trial_id": f"t{i:03d}", "status": "finished"} for i in range(N)],
        },
        campaign_runs={
            "experiment_id": "1",
            "parent_run_id": "p",
            "run_ids": [f"r{i}" for i in range(N)],
            "hardware_label": "box-2c",
            "hosts": [HOST],
        },
        curves=curves,
        predictors=predictors,
        search={
            "experiment_id": "2",
            "configurations": 3,
            "max_epochs": T,
            "champion": {
                "name": "curve-predictor-val-loss-6-epochs-0123abcd",
                "version": "2",
                "alias": "champion",
            },
            "schedulers": {
                "asha": {**policy, "label": "ASHA"},
                "asha+prediction": {**policy, "label": "ASHA + prediction", "epochs": 15},
                "freeze_thaw": thawing,
            },
        },
        physics=validation_result,
        benchmark={
            "run_info": {"copies": 2, "threads_per_copy": 1, "events_per_thread": 8},
            "report": {
                "wl-scores": {"mlpf-train-cpu": 20.0},
                "wl-stats": {
                    "mlpf-train-cpu": {"avg": 10.0, "median": 10.0, "min": 9.0, "max": 11.0, "count": 2}
                },
                "log": "ok",
            },
            "measurements": {"contended": True, "elements_per_second": 1234.5},
            "hardware": {"hardware_label": "box-2c"},
        },
    )
