"""Granularity: measured on towers, known of the own detector, compared with that of the training."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.events.calorimeter import ECAL, HCAL
from mlpf_hpo.events.detector import SETTINGS
from mlpf_hpo.events.granularity import (
    GRANULARITY,
    barrel_granularity,
    granularity_of,
    granularity_warnings,
)

OWN = {"detector": SETTINGS}


def test_the_own_grid_is_measured_as_it_is_said_to_be() -> None:
    generator = np.random.default_rng(0)
    eta, phi = generator.uniform(-5, 5, 2000), generator.uniform(-3.1, 3.1, 2000)
    edges = [calorimeter.bounds(calorimeter.tower(eta, phi)) for calorimeter in (ECAL, HCAL)]
    of_ecal = np.repeat([True, False], 2000)
    assert barrel_granularity(np.concatenate(edges), of_ecal) == granularity_of(OWN)
    assert barrel_granularity(np.array([[3.0, 3.1, 0, 0.1]]), np.array([True])) is None


def test_another_detector_is_warned_of_and_the_same_is_not() -> None:
    trained = {GRANULARITY: granularity_of(OWN)}
    coarse = {GRANULARITY: {"ECAL": [0.087, 0.087], "HCAL": [0.087, 0.0873]}}
    (warning,) = granularity_warnings(trained, coarse, "store")
    assert warning.startswith("store: ECAL towers of 0.087 x 0.087 where the network was trained on 0.0174 x")
    assert "HCAL" not in warning
    for settings in (OWN, {}, {GRANULARITY: None}, {GRANULARITY: {"ECAL": [0.0175, 0.0174]}}):
        assert granularity_warnings(trained, settings, "store") == []
    assert granularity_warnings({}, coarse, "store") == []  # a checkpoint of before
