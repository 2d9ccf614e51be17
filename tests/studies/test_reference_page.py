"""The words of the reference training's page: wins, losses and trend of the curve."""

from __future__ import annotations

import math
import re

import pytest

from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.table import EVERYTHING, Row
from mlpf_hpo.evaluation.validation_result import ValidationResult
from studies.reference_training.curve import describe_curve
from studies.reference_training.differences import LEVEL, LOSES, WINS, numbers, table_of_sample, verdicts

ABOUT = {
    "process": "qcd",
    "n_events": 6,
    "pileup": 20.0,
    "trial": "reference",
    "epoch": 20,
    "reference": "generator",
    "trained_on": {"process": "ttbar", "n_events": 6000, "pileup": 20.0},
}


def row(quantity: str, of: str, difference: tuple[float, float, float], ycand: float = 0.5) -> Row:
    said, other = Estimate(ycand + difference[0], 0.0, 1.0), Estimate(ycand, 0.0, 1.0)
    return Row(quantity, of, "all", EVERYTHING, said, other, Estimate(*difference), Estimate(1, 1, 1), 9, 9)


def validated(*rows: Row) -> ValidationResult:
    return ValidationResult(list(rows), {}, {}, ABOUT)


def test_a_win_is_in_the_good_direction_and_excludes_zero() -> None:
    more, less, none = (0.1, 0.05, 0.2), (-0.1, -0.2, -0.05), (0.1, -0.05, 0.2)
    found = verdicts(
        validated(
            row("efficiency", "photon", more),
            row("efficiency", "jet", less),
            row("fake_rate", "photon", less),
            row("fake_rate", "jet", more),
            row("pt_width", "photon", none),
            row("component_width", "met", less),
            row("pt_median", "photon", more),  # nearer to 0, or farther: no direction is better
            row("efficiency", "muon", (math.nan, math.nan, math.nan)),
        )
    )
    assert found[WINS] == ["photon: efficiency", "photon: fake rate", "missing momentum: resolution, GeV"]
    assert found[LOSES] == ["jets: efficiency", "jets: fake rate"]
    assert found[LEVEL] == ["photon: pt resolution"]


def test_the_three_stand_side_by_side() -> None:
    rules = validated(row("efficiency", "photon", (0.1, 0.0, 0.2), ycand=0.6))
    copy = validated(row("efficiency", "photon", (0.3, 0.2, 0.4), ycand=0.4))
    assert numbers(rules, copy) == {"photon_efficiency": {"mlpf": 0.7, "ycand": 0.6, "copy": 0.4}}
    (cells,) = table_of_sample(rules, copy).rows
    for cell in ("0.700 [", "0.600 [", "0.400 [", "0.100 [0.000, 0.200]", "0.300 [0.200, 0.400]"):
        assert any(cell in text for text in cells)


@pytest.mark.parametrize(
    ("validation", "last_train", "text"),
    [
        ([9, 7, 6, 5], 5.0, "fell by 16.7 %: more epochs would lower it further. .*network, come before"),
        (
            [9, 5, 5, 5],
            4.0,
            "fell by 0.0 %: more epochs at this learning .* 25.0 % above .* more events would",
        ),
    ],
)
def test_the_curve_is_described(validation: list[float], last_train: float, text: str) -> None:
    epochs = [{"val/loss": float(loss), "train/loss": last_train} for loss in validation]
    assert re.search(text, describe_curve({"epochs": epochs}))
