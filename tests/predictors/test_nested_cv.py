"""Selection: nested folds that leak nothing, and a winner that is what the inner folds say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors import criteria, epoch_model, nested_cv
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED, Selection, fit_chosen
from mlpf_hpo.predictors.nested_cv import known_epochs_at, select
from mlpf_hpo.predictors.repeated_splits import evaluate
from mlpf_hpo.predictors.scoring import bootstrap
from mlpf_hpo.predictors.selection_result import SelectionResult
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 8
PARAMS = PredictorsParams.model_validate(
    {"candidates": ["persistence", "svr"], "criterion": "spearman", "outer_folds": 3, "inner_folds": 2}
)


def simulated(n: int = 28, seed: int = 0, repeats: int = 1) -> LearningCurves:
    generator = np.random.default_rng(seed)
    lr = np.repeat(np.exp(generator.uniform(-10, -4, n // repeats)), repeats)
    n = len(lr)
    end = 1 + (np.log(lr) + 7) ** 2 / 9
    values = end[:, None] + generator.uniform(0.5, 3, (n, 1)) * np.exp(-0.5 * np.arange(EPOCHS))
    configs = pd.DataFrame({"config_id": [f"{x:.9e}" for x in lr], "seed": np.arange(n), "lr": lr})
    return LearningCurves(
        configs=configs,
        metrics={"val/loss": values + 0.02 * generator.normal(size=values.shape)},
        target=TargetMetric("val/loss", "min"),
        status=np.full(n, "finished"),
        restart_epoch=np.full(n, -1),
        source="simulated",
        run_ids=np.full(n, ""),
        hardware=np.full(n, ""),
    )


def with_values(curves: LearningCurves, values: np.ndarray) -> LearningCurves:
    return replace(curves, metrics=MappingProxyType({"val/loss": values}))


@pytest.fixture(scope="module", autouse=True)
def little_work() -> Iterator[None]:
    """Draw 20 bootstrap samples instead of 500, score at two shares: nothing here depends on more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nested_cv, "SHARES", (0.0, 0.25))
        patch.setattr(nested_cv, "bootstrap", partial(bootstrap, draws=20))
        yield


@pytest.fixture(scope="module")
def curves() -> LearningCurves:
    return simulated()


@pytest.fixture(scope="module")
def result(curves) -> SelectionResult:
    return select(curves, PARAMS, seed=3)


def test_every_curve_is_predicted_once_by_who_never_saw_it(result, curves) -> None:
    assert result.known_epochs == 2
    assert set(result.out_of_fold) == {"persistence", "svr"}
    for out in result.out_of_fold.values():
        assert np.isfinite(out.mean).all()
    np.testing.assert_array_equal(result.out_of_fold["persistence"].mean, curves.values[:, 1])
    np.testing.assert_array_equal(result.true, curves.final)
    np.testing.assert_array_equal(result.last_seen, curves.values[:, 1])


def test_a_curves_end_has_no_part_in_its_own_prediction(result, curves) -> None:
    values = curves.values.copy()
    values[5, result.known_epochs :] *= 3.0
    changed = select(with_values(curves, values), PARAMS, seed=3)
    for name, out in result.out_of_fold.items():
        assert changed.out_of_fold[name].mean[5] == out.mean[5]
        assert changed.out_of_fold[name].upper[5] == out.upper[5]
    others = np.arange(len(curves)) != 5
    assert (changed.out_of_fold["svr"].mean[others] != result.out_of_fold["svr"].mean[others]).any()


def test_trials_of_one_configuration_stay_together() -> None:
    # Only the other trials of a configuration know where it ends: learning from them would be a leak.
    curves = simulated(28, repeats=2)
    values = curves.values.copy()
    values[0] = values[1] = values[1] * 10
    changed = select(with_values(curves, values), PARAMS, seed=3)
    assert changed.out_of_fold["svr"].mean[0] < values[1, -1] / 2


def test_the_choice_is_told_with_its_reason_and_all_scores(result) -> None:
    assert result.inner.keys() == {"persistence", "svr"}
    assert result.winner in result.reason
    assert set(result.scores) == {"persistence", "svr", SELECTED}
    for scores in result.scores.values():
        assert {"spearman", "r2_loss", "r2_quantile", "kendall", "top_recall", "log_mae", "coverage"} <= set(
            scores
        )
        for score in scores.values():
            assert score["low"] <= score["high"]


def test_who_is_chosen_is_followed_as_far_as_its_gain_is_sure(result, curves, monkeypatch) -> None:
    monkeypatch.setattr(criteria, "choose_by_predictions", lambda *_: Selection("svr", {}, "for a test"))
    chosen = select(curves, PARAMS, seed=3)
    fitted = chosen.fitted
    share = fitted["svr"].epoch_models_[chosen.known_epochs].share_
    assert chosen.reason == f"for a test; its predictions go {share:.0%} of the way from the last value seen"
    assert {name: made.shrink for name, made in fitted.items()} == {"persistence": False, "svr": True}
    assert fit_chosen(curves, 2, PARAMS, seed=0)[0].shrink
    assert not fit_chosen(curves, 2, PARAMS, seed=0, candidates=["svr"])[0].shrink, "nobody chose it"
    monkeypatch.setattr(epoch_model, "shrinkage_factor", lambda *_: 0.0)
    scores = select(curves, PARAMS, seed=3).scores
    for metric in set(scores[SELECTED]) - {"coverage"}:
        assert scores[SELECTED][metric] == scores["persistence"][metric]
        assert scores["svr"][metric] == result.scores["svr"][metric]


def test_the_selected_row_scores_the_choosing(curves) -> None:
    alone = PARAMS.model_copy(update={"candidates": ("svr",)})
    found = select(curves, alone, seed=3).scores
    assert found[SELECTED] == found["svr"]


def test_the_winner_answers_at_every_epoch(result, curves) -> None:
    winner = result.fitted[result.winner]
    assert winner.n_epochs == EPOCHS
    for known in range(EPOCHS):
        prediction = winner.predict_interval(curves.frame(known))
        assert np.isfinite(prediction.mean).all()


def test_the_same_seed_selects_the_same(result, curves) -> None:
    again = select(curves, PARAMS, seed=3)
    assert again.inner == result.inner
    assert again.scores == result.scores


def test_incomplete_curves_have_no_part(curves) -> None:
    values = np.vstack([curves.values, np.full((1, EPOCHS), np.nan)])
    configs = pd.concat([curves.configs, curves.configs.iloc[[0]].assign(config_id="diverged")])
    more = LearningCurves(
        configs=configs.reset_index(drop=True),
        metrics={"val/loss": values},
        target=TargetMetric("val/loss", "min"),
        status=np.append(curves.status, "diverged"),
        restart_epoch=np.append(curves.restart_epoch, -1),
        source="simulated",
        run_ids=np.full(len(values), ""),
        hardware=np.full(len(values), ""),
    )
    found = select(more, PARAMS, seed=3)
    assert found.rows.tolist() == list(range(len(curves)))


def test_progress_ends_at_its_total(curves) -> None:
    steps: list[tuple[float, float]] = []
    alone = PARAMS.model_copy(update={"candidates": ("persistence",)})
    select(curves, alone, seed=3, progress=lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


def test_what_cannot_be_compared(curves) -> None:
    with pytest.raises(DataError, match="complete"):
        select(curves.select(range(5)), PARAMS, seed=3)
    unknown = PARAMS.model_copy(update={"candidates": ("svm",)})
    with pytest.raises(ConfigurationError, match=r"svm.*did you mean svr"):
        select(curves, unknown, seed=3)


@pytest.mark.parametrize(
    ("share", "n_epochs", "known"), [(0.25, 16, 4), (0.25, 100, 25), (0.01, 10, 1), (0, 10, 0), (0.99, 4, 3)]
)
def test_known_epochs(share, n_epochs, known) -> None:
    assert known_epochs_at(share, n_epochs) == known


@pytest.mark.parametrize("mode", ["min", "max"])
def test_every_choice_is_told_which_values_are_best(mode, monkeypatch) -> None:
    modes = []
    original = criteria.choose_by_predictions

    def recorded(*arguments):
        modes.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(criteria, "choose_by_predictions", recorded)
    curves = simulated()
    curves = replace(curves, target=replace(curves.target, mode=mode))
    select(curves, PARAMS, seed=0)
    fit_chosen(curves, 2, PARAMS, seed=0)
    evaluate(curves, [PERSISTENCE, SELECTED], 2, 14, 1, PARAMS, seed=0)
    assert modes == [mode] * (PARAMS.outer_folds + 1 + 1 + 1)
