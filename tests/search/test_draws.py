"""Draws of searches and priors: what is drawn, that the two are apart, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.draws import DrawPlan
from mlpf_hpo.search.priors import DrawWithPrior
from mlpf_hpo.target_metric import TargetMetric


def table(n=12, repeats=2, names=("lr", "dropout"), mode="min") -> LearningCurves:
    """Return curves of n configurations, each trained several times; the final value names the row."""
    rows = [{name: float(i % n + 10 * j) for j, name in enumerate(names)} for i in range(n * repeats)]
    values = [[99.0, float(i)] for i in range(n * repeats)]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", mode), source="a table")


def ids(curves) -> set[str]:
    return set(curves.groups)


@pytest.mark.parametrize("seed", range(5))
def test_a_prior_has_no_searched_configuration(seed) -> None:
    drawn = DrawPlan(table(), searched=5, prior=4).draw(seed)
    assert len(drawn.searched) == len(ids(drawn.searched)) == 5
    assert len(ids(drawn.prior)) == 4
    assert len(drawn.prior) == 8, "all trainings of a configuration"
    assert not ids(drawn.searched) & ids(drawn.prior)


def test_a_seed_gives_one_draw_and_others_give_others() -> None:
    plan = DrawPlan(table(), searched=5)
    first, again = plan.draw(3), plan.draw(3)
    assert first.searched.final.tolist() == again.searched.final.tolist()
    assert first.prior.final.tolist() == again.prior.final.tolist()
    drawn = [plan.draw(seed).searched.final.tolist() for seed in range(20)]
    assert len(set(map(tuple, drawn))) == 20
    assert {value for one in drawn for value in one} == set(range(24)), "each training may be searched"


def test_by_default_one_half_is_searched_and_the_other_is_the_prior() -> None:
    sizes = DrawPlan(table(13, 1)).sizes
    assert (sizes.searched, sizes.prior, sizes.available) == (7, 6, 13)


def test_rows_of_a_split_stay_on_their_sides() -> None:
    curves = table(repeats=1)
    plan = DrawPlan(curves, searchable_rows=np.arange(4), prior_rows=np.arange(6, 12))
    assert (plan.sizes.searched, plan.sizes.prior) == (4, 6)
    drawn = plan.draw(0)
    assert sorted(drawn.searched.final) == [0, 1, 2, 3]
    assert sorted(drawn.prior.final) == list(range(6, 12))
    with pytest.raises(DataError, match="2 configurations of a table may be searched and are in the prior"):
        DrawPlan(curves, searchable_rows=np.arange(6), prior_rows=np.arange(4, 12))


def test_a_permuted_prior_keeps_the_values_of_each_hyperparameter_and_of_the_curves() -> None:
    plan = DrawPlan(table(30, 1), searched=10)
    right, wrong = DrawWithPrior(plan, "same")(1).prior, DrawWithPrior(plan, "permuted")(1).prior
    assert wrong.values.tolist() == right.values.tolist()
    for name in ("config_id", "lr", "dropout"):
        assert sorted(wrong.configs[name]) == sorted(right.configs[name])
        assert (wrong.configs[name].to_numpy() != right.configs[name].to_numpy()).mean() > 0.8
    # A configuration's hyperparameters stay together.
    assert (wrong.configs["dropout"] - wrong.configs["lr"] == 10).all()
    assert DrawWithPrior(plan, "permuted")(2).prior.configs["lr"].tolist() != wrong.configs["lr"].tolist()


def test_kinds_of_priors_change_nothing_else() -> None:
    plan, other = DrawPlan(table(), searched=5), table(4, 1, names=("lr",))
    searched = plan.draw(7).searched.final.tolist()
    found = {kind: DrawWithPrior(plan, kind)(7) for kind in ("none", "same", "permuted", "hidden")}
    found["other"] = DrawWithPrior(plan, "other", other)(7)
    assert all(one.searched.final.tolist() == searched for one in found.values())
    assert found["none"].prior is None
    assert found["other"].prior is other
    hidden = found["hidden"]
    assert (hidden.searched.configs[["lr", "dropout"]] == 1).all(axis=None)
    assert (hidden.prior.configs[["lr", "dropout"]] == 1).all(axis=None)
    assert hidden.prior.values.tolist() == found["same"].prior.values.tolist()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DrawPlan(table(), searched=13), ConfigurationError, "configurations = 13: there are 12"),
        (lambda: DrawPlan(table(), searched=0), ConfigurationError, "configurations = 0"),
        (lambda: DrawPlan(table(), searched=9, prior=4), ConfigurationError, "= 4: 3 are not searched"),
        (lambda: DrawWithPrior(DrawPlan(table(), 11), "same"), ConfigurationError, "search fewer than 11"),
        (lambda: DrawWithPrior(DrawPlan(table()), "sane"), ConfigurationError, "did you mean same"),
        (
            lambda: DrawWithPrior(DrawPlan(table()), "other", table(names=("width",))),
            DataError,
            "shares no hyperparameter with the curves: width there, lr, dropout here",
        ),
        (lambda: DrawWithPrior(DrawPlan(table()), "other", table(mode="max")), DataError, "its target is"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_rows_that_lack_values_are_named() -> None:
    curves = table()
    curves.values[[3, 8], 1] = np.nan
    with pytest.raises(DataError, match="a table: rows 4, 9 of 24 lack values for some of 2 epochs"):
        DrawPlan(curves)
    curves.status[[3, 8]] = "diverged"
    DrawPlan(curves)
