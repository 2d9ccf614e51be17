import numpy as np
import pytest

from mlpf_hpo.predictors.paired_difference import paired_difference


def test_the_interval_is_that_of_the_mean_difference():
    generator = np.random.default_rng(0)
    common = 10 * generator.normal(size=400)
    ours, others = common + 0.3 + 0.1 * generator.normal(size=400), common
    difference = paired_difference(ours, others, seed=1)
    differences = ours - others
    half = 1.96 * differences.std() / 20
    assert difference["mean"] == pytest.approx(differences.mean())
    assert difference["high"] - difference["mean"] == pytest.approx(half, rel=0.1)
    assert difference["mean"] - difference["low"] == pytest.approx(half, rel=0.1)
    assert difference["splits"] == 400


def test_exchanging_both_changes_the_sign_and_the_seed_fixes_the_rest():
    ours, others = np.random.default_rng(2).normal(size=(2, 30))
    difference, back = paired_difference(ours, others, seed=3), paired_difference(others, ours, seed=3)
    assert (back["mean"], back["low"], back["high"]) == pytest.approx(
        (-difference["mean"], -difference["high"], -difference["low"])
    )
    assert paired_difference(ours, others, seed=3) == difference
    assert paired_difference(ours, others, seed=4) != difference
