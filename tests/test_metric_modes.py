"""The table of directions: every metric that is logged stands in it, and nothing is guessed."""

from __future__ import annotations

import pytest
import torch

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.schema import CLASSES
from mlpf_hpo.metric_modes import known_mode, logged_direction, resolve_mode
from mlpf_hpo.mlpf.loss import TERMS
from mlpf_hpo.mlpf.physics import RESIDUALS, PhysicsCounts
from mlpf_hpo.mlpf.step_accounting import StepAccounting
from mlpf_hpo.predictors.scoring import METRICS
from mlpf_hpo.target_metric import TargetMetric


def logged_names() -> list[str]:
    """Return the names as the code that logs them makes them."""
    counts = PhysicsCounts(
        torch.ones(len(CLASSES), len(CLASSES)), torch.ones(len(RESIDUALS), 2), torch.ones(())
    )
    account = StepAccounting(events=1, elements=1, slots=1, flop=1, gemm_peak=1, train_seconds=1)
    terms = [f"{part}/loss_{name}" for part in ("train", "val") for name in TERMS]
    rest = ["train/loss", "val/loss", "throughput/joules_per_event", "system/gpu_memory_megabytes"]
    physics = [f"val/{name}" for name in counts.metrics()]
    scores = [f"summary/{name}" for name in METRICS]
    return [*terms, *rest, *physics, *account.metrics(), *scores, "system/contended"]


def test_every_metric_that_is_logged_has_its_direction_on_record() -> None:
    found = {name: logged_direction(name) for name in logged_names()}
    assert None not in found.values()
    large = ("efficiency", "accuracy", "per_second", "fraction", "r2", "spearman", "kendall", "recall")
    for name, direction in found.items():
        if direction != "none":
            assert (direction == "max") == any(word in name for word in large), name
    assert sorted(name for name, direction in found.items() if direction == "none") == [
        "summary/coverage",
        *(f"val/{name}_residual_mean" for name in sorted(RESIDUALS)),
    ]


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("val/fake_rate_muon", "min"),
        ("val/efficiency_muon", "max"),
        ("val/pt_residual_std", "min"),
        ("val/pt_residual_mean", None),
        ("throughput/gflop_per_second", "max"),
        ("time/epoch_seconds", "min"),
        ("system/cpu_fraction", "max"),
        ("accuracy", "max"),
        ("val_acc", "max"),
        ("Val-Loss", "min"),
        ("fitness", None),
        ("accuracy_loss", None),
        ("neg_mean_squared_error", None),
        ("1-accuracy", None),
        ("lossless", None),
    ],
)
def test_what_a_name_tells(metric: str, mode: str | None) -> None:
    assert known_mode(metric) == mode


def test_a_mode_that_is_not_known_is_asked_for() -> None:
    with pytest.raises(
        ConfigurationError, match=r"fitness: its name does not say .* --mode min or --mode max"
    ):
        resolve_mode("fitness", None)
    with pytest.raises(ConfigurationError, match="neither the smallest nor the largest"):
        resolve_mode("val/pt_residual_mean", None)
    assert resolve_mode("fitness", "max") == "max"
    assert resolve_mode("val/pt_residual_mean", "min") == "min"
    assert resolve_mode("loss", "max") == "max"  # not logged by this package: the given mode holds


def test_a_mode_that_contradicts_the_record_is_refused_with_both_named() -> None:
    with pytest.raises(ConfigurationError, match=r"--mode max: contradicts val/loss, .*smallest.*--mode min"):
        resolve_mode("val/loss", "max")
    with pytest.raises(ConfigurationError, match="--mode least: min or max"):
        resolve_mode("val/loss", "least")


def test_the_best_of_either_direction() -> None:
    values = [0.5, float("nan"), 0.2, float("inf"), 0.7]
    assert TargetMetric("loss", "min").best(values) == 0.2
    assert TargetMetric("accuracy", "max").best(values) == 0.7
    with pytest.raises(ConfigurationError, match="min or max"):
        TargetMetric("loss", "least")
