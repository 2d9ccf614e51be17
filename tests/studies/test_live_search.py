"""The study of searches: schedulers in pairs, the deviation between seeds, its figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from studies.live_search.comparison import compare_schedulers, describe
from studies.live_search.figure import figure_search
from studies.live_search.page import live_search_page
from studies.live_search.params import read_study
from studies.live_search.repeated_trainings import deviation_between_seeds

FOLDERS = [file.parent for file in Path("studies/live_search").glob("*/params.yaml")]


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
REPEATS = [
    [
        {"schedulers": ["asha", "promotion_asha"], "best_losses": [1.0, 3.0]},
        {"schedulers": ["freeze_thaw"], "best_losses": [2.0, 4.0]},
    ],
    [{"schedulers": ["asha", "promotion_asha", "freeze_thaw"], "best_losses": [10.0, 12.0]}],
]


def test_epochs_are_compared_by_sums_and_losses_in_pairs() -> None:
    found = compare_schedulers(searches(EPOCHS, LOSSES), REPEATS, "promotion_asha")
    ours = found["schedulers"]["freeze_thaw"]
    assert ours["epochs"]["mean"] == 40.0
    assert ours["epochs_ratio"]["mean"] == pytest.approx(80 / 160)
    assert (ours["epochs_ratio"]["low"], ours["epochs_ratio"]["high"]) == pytest.approx((0.4, 40 / 60))
    assert ours["loss_difference"]["mean"] == pytest.approx(-0.2)
    assert ours["loss_difference"]["high"] == pytest.approx(0.1)
    assert ours["loss_difference"]["high_over_deviation"] == pytest.approx(0.1 / np.sqrt(2))
    assert ours["retrained_loss"]["mean"] == pytest.approx((3 + 11) / 2)
    assert ours["retrained_difference"]["mean"] == pytest.approx((1 + 0) / 2)
    assert "epochs_ratio" not in found["schedulers"]["promotion_asha"]
    *lines, last = describe(found)
    assert lines[2].startswith(
        "freeze_thaw: 40 epochs, best loss 5.3; beside promotion_asha 0.50 of its epochs"
    )
    assert last == "standard deviation between seeds: 1.41"


def test_where_large_values_are_good_a_larger_one_is_no_loss() -> None:
    found = compare_schedulers(searches(EPOCHS, LOSSES, mode="max"), REPEATS, "promotion_asha")
    ours = found["schedulers"]["freeze_thaw"]
    assert ours["loss_difference"]["mean"] == pytest.approx(0.2)
    assert ours["retrained_difference"]["mean"] == pytest.approx(-0.5)


def test_the_deviation_between_seeds_does_not_see_differences_between_configurations() -> None:
    generator = np.random.default_rng(0)
    losses = [(100 * i + 2 * generator.normal(size=400)).tolist() for i in range(5)]
    assert deviation_between_seeds(losses) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_streams_have_seeds_of_their_own(folder: Path) -> None:
    study = read_study(folder)
    seeds = [study.stream_seed(i) for i in range(study.streams)]
    seeds += [study.repeats_seed(i, one) for i in range(study.streams) for one in range(2)]
    assert len(set(seeds)) == 3 * study.streams


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_study_compares_with_one_of_its_schedulers(folder: Path) -> None:
    study = read_study(folder)
    assert study.yardstick in [scheduler.key for scheduler in study.params().search.schedulers]
    wrong = study.model_copy(update={"yardstick": "promotion"})
    with pytest.raises(ConfigurationError, match="yardstick 'promotion' is none of the schedulers: "):
        wrong.params()


def test_the_page_states_goals_and_whether_they_are_reached() -> None:
    found = compare_schedulers(searches(EPOCHS, LOSSES), REPEATS, "asha")
    text = live_search_page({"campaign_v1": found})
    assert "- epochs of freeze_thaw over those of asha: goal 0.4, 0.36: reached" in text
    assert "as found, in standard deviations between seeds: goal 1, 0.07: reached" in text
    own = "| freeze_thaw | 40 [40, 40] | 0.0 [0.0, 0.0] | 5.3 [4.5, 6.1] | 7.0 [3.0, 11.0] |"
    assert f"{own} 0.36 [0.33, 0.40] | -0.20" in text
    assert "goal" not in live_search_page({"prior": found})
    losses = {**LOSSES, "freeze_thaw": [9.0, 9.0]}
    slow = compare_schedulers(searches({**EPOCHS, "freeze_thaw": [90.0, 90.0]}, losses), REPEATS, "asha")
    text = live_search_page({"campaign_v1": slow})
    assert "goal 0.4, 0.82: not reached" in text
    assert "as found, in standard deviations between seeds: goal 1, 2.83: not reached" in text


def test_the_figure_is_drawn() -> None:
    assert figure_search(searches(EPOCHS, LOSSES), 0.5).startswith(b"\x89PNG")
