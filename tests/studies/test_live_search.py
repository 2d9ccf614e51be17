"""The study of searches: schedulers in pairs, the deviation between seeds, its figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.settings.parameter_file import read_parameters
from studies.live_search.comparison import compare_schedulers, describe
from studies.live_search.figure import figure_search
from studies.live_search.params import LiveSearchParams
from studies.live_search.repeated_trainings import deviation_between_seeds

LAPTOP = Path(__file__).parents[2] / "studies/live_search/laptop"


def searches(epochs: dict[str, list[float]], losses: dict[str, list[float]], mode: str = "min") -> list[dict]:
    """Return records of searches, one for each stream, with what the comparison reads of them."""
    return [
        {
            "target": {"metric": "val/loss", "mode": mode},
            "configurations": 24,
            "max_epochs": 16,
            "schedulers": {
                key: {
                    "label": key,
                    "epochs": epochs[key][stream],
                    "best_loss": losses[key][stream],
                    "wall_seconds": 1.0,
                }
                for key in epochs
            },
        }
        for stream in range(len(next(iter(epochs.values()))))
    ]


EPOCHS = {"asha": [100.0, 120.0], "promotion_asha": [60.0, 100.0], "freeze_thaw": [40.0, 40.0]}
LOSSES = {"asha": [5.0, 6.0], "promotion_asha": [5.0, 6.0], "freeze_thaw": [4.5, 6.1]}
REPEATS = [[1.0, 3.0], [10.0, 12.0]]


def test_epochs_are_compared_by_sums_and_losses_in_pairs() -> None:
    found = compare_schedulers(searches(EPOCHS, LOSSES), REPEATS)
    ours = found["schedulers"]["freeze_thaw"]
    assert ours["epochs"]["mean"] == 40.0
    assert ours["epochs_ratio"]["mean"] == pytest.approx(80 / 160)
    assert (ours["epochs_ratio"]["low"], ours["epochs_ratio"]["high"]) == pytest.approx((0.4, 40 / 60))
    assert ours["loss_difference"]["mean"] == pytest.approx(-0.2)
    assert ours["loss_difference"]["high"] == pytest.approx(0.1)
    assert ours["loss_difference"]["high_over_deviation"] == pytest.approx(0.1 / np.sqrt(2))
    assert "epochs_ratio" not in found["schedulers"]["promotion_asha"]
    *lines, last = describe(found)
    assert lines[2].startswith(
        "freeze_thaw: 40 epochs, best loss 5.3; beside promotion_asha 0.50 of its epochs"
    )
    assert last == "standard deviation between seeds: 1.41"


def test_where_large_values_are_good_a_larger_one_is_no_loss() -> None:
    found = compare_schedulers(searches(EPOCHS, LOSSES, mode="max"), REPEATS)
    assert found["schedulers"]["freeze_thaw"]["loss_difference"]["mean"] == pytest.approx(0.2)


def test_the_deviation_between_seeds_does_not_see_differences_between_configurations() -> None:
    generator = np.random.default_rng(0)
    losses = [(100 * i + 2 * generator.normal(size=400)).tolist() for i in range(5)]
    assert deviation_between_seeds(losses) == pytest.approx(2.0, rel=0.05)


def test_streams_have_seeds_of_their_own() -> None:
    study = read_parameters(LiveSearchParams, LAPTOP / "params.yaml", "the project folder")
    seeds = [study.stream_seed(i) for i in range(study.streams)]
    seeds += [study.repeats_seed(i) for i in range(study.streams)]
    assert len(set(seeds)) == 2 * study.streams


def test_the_figure_is_drawn() -> None:
    assert figure_search(searches(EPOCHS, LOSSES), 0.5).startswith(b"\x89PNG")
