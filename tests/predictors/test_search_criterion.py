"""The criterion `search`: what saves epochs is chosen; what is alike goes by rank; nothing leaks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo import LearningCurves, PredictorsParams, PromotionReplay, TargetMetric, make_predictor, select
from mlpf_hpo.config import parse_params
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.predictors import nested_cv
from mlpf_hpo.predictors.scoring import bootstrap, grouped_folds
from mlpf_hpo.predictors.search_criterion import choose_by_epochs, choose_by_search, replay_predictors
from mlpf_hpo.search.predicted_searches import PairedEpochs
from mlpf_hpo.search.resampling import Resampling

EPOCHS = 9
REPLAY = PromotionReplay()


def misleading(n: int = 36, repeats: int = 1, seed: int = 0) -> LearningCurves:
    """Return curves that end at lr, and whose order before the last epoch is turned around."""
    ends = np.repeat(np.random.default_rng(seed).permutation(n // repeats) + 1.0, repeats)
    values = np.tile((n + 1.0 - ends)[:, None], (1, EPOCHS)) + 0.5**n
    values[:, -1] = ends + 1e-3 * np.arange(n)
    rows = [{"lr": end} for end in ends]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", "min"))


class Fake:
    """A predictor of a rule, that keeps what it is fitted on and asked about."""

    def __init__(self, rule, log: list[tuple[set[float], list[pd.DataFrame]]]) -> None:
        self.rule, self.log = rule, log

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray) -> Fake:
        self.asked: list[pd.DataFrame] = []
        self.log.append((set(X["lr"]), self.asked))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        self.asked.append(X)
        return np.asarray(self.rule(X), dtype=float)


def last_value(X: pd.DataFrame) -> np.ndarray:
    return X.filter(like="loss_").ffill(axis=1).iloc[:, -1].fillna(1.0).to_numpy()


RULES = {
    "persistence": last_value,
    "oracle": lambda X: X["lr"],
    "twin": lambda X: 3 * X["lr"],
    "noise": lambda X: (X["lr"] * 7919) % 101,
}


def chosen(names: list[str], curves: LearningCurves, log: list | None = None):
    make = {name: lambda _, name=name: Fake(RULES[name], [] if log is None else log) for name in names}
    folds = list(grouped_folds(curves.groups, 3, seed=0))
    predicted, epochs = replay_predictors(make, curves, folds, REPLAY, seed=0)
    return choose_by_epochs(epochs, predicted, curves)


def test_what_saves_epochs_is_chosen() -> None:
    winner, scores, reason = chosen(["persistence", "oracle", "noise"], misleading())
    assert (winner, scores.decided_by, scores.best, scores.left) == (
        "oracle",
        "search",
        "oracle",
        ["oracle"],
    )
    assert scores.epochs_ratio["persistence"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert scores.epochs_ratio["oracle"]["high"] < 1
    assert scores.ratio_to_best["noise"]["low"] > 1
    assert scores.searches == 24
    assert scores.observed == [0, 1, 3]
    assert reason.startswith("searches by oracle take 0.")


def test_what_cannot_be_told_apart_goes_by_rank_and_is_recorded() -> None:
    winner, scores, reason = chosen(["noise", "twin", "oracle"], misleading())
    assert (winner, scores.decided_by, scores.left) == ("twin", "spearman", ["twin", "oracle"])
    assert scores.ratio_to_best["oracle"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert scores.to_record()["decided_by"] == "spearman"
    assert scores.spearman["twin"] == scores.spearman["oracle"] == pytest.approx(1.0)
    assert "cannot tell twin and oracle apart" in reason
    assert reason.endswith("nothing is better than twin by more than a standard error by Spearman over all "
                           "shares, +0 +- 0")  # fmt: skip


def test_where_searches_are_equal_the_better_ranks_win_before_the_first_epoch_too() -> None:
    curves, seen = misleading(), {0: np.zeros(36), 1: np.zeros(36)}
    predicted = {"persistence": {**seen, 1: curves.final}, "both": {0: curves.final, 1: curves.final}}
    equal = PairedEpochs({name: np.zeros(4) for name in predicted}, Resampling(np.full((3, 4), 0.25), 1.0))
    winner, scores, reason = choose_by_epochs(equal, predicted, curves)
    assert scores.spearman == {"persistence": 0.5, "both": pytest.approx(1.0)}
    assert winner == "both"
    assert "both is better than persistence by Spearman over all shares, +0.5" in reason


@pytest.mark.parametrize("repeats", [1, 2])
def test_no_fit_sees_a_searched_configuration_and_no_question_a_later_value(repeats) -> None:
    log: list[tuple[set[float], list[pd.DataFrame]]] = []
    curves = misleading(repeats=repeats)
    chosen(["persistence", "oracle"], curves, log)
    assert len(log) == 6
    for fitted, asked in log:
        assert [int(X.filter(like="loss_").notna().sum(axis=1).unique().item()) for X in asked] == [0, 1, 3]
        for X in asked:
            assert len(X) == 12
            assert not fitted & set(X["lr"])
            assert fitted | set(X["lr"]) == set(curves.configs["lr"])


def test_a_searched_curves_later_values_change_no_prediction_of_its_search() -> None:
    curves = misleading()
    folds = list(grouped_folds(curves.groups, 3, seed=0))
    make = {"ridge": partial(make_predictor, "ridge", PredictorsParams(), 0, folds=0)}
    before, _ = replay_predictors(make, curves, folds, REPLAY, seed=0)
    row, part = int(folds[1][1][0]), folds[1][1]
    values = curves.values.copy()
    values[row, 3:] = 1e6
    changed = replace(curves, metrics=MappingProxyType({"loss": values}))
    after, _ = replay_predictors(make, changed, folds, REPLAY, seed=0)
    for known in (0, 1, 3):
        np.testing.assert_array_equal(after["ridge"][known][part], before["ridge"][known][part])
    others = folds[0][1]
    assert (after["ridge"][1][others] != before["ridge"][1][others]).any()


def test_a_selection_chooses_by_searches_in_every_fold_and_on_all_rows(monkeypatch) -> None:
    monkeypatch.setattr(nested_cv, "SHARES", (0.0, 0.25))
    monkeypatch.setattr(nested_cv, "bootstrap", partial(bootstrap, draws=2))
    params = PredictorsParams(candidates=("persistence", "ridge"), outer_folds=2, inner_folds=2)
    asked = []

    class Counted(PromotionReplay):
        def replay(self, curves, predicted, parts, seed):
            asked.append(len(curves))
            return super().replay(curves, predicted, parts, seed)

    found = select(misleading(), params, seed=0, replay=Counted(orders=2))
    assert asked == [18, 18, 36]
    assert found.search is not None
    assert set(found.search.epochs_ratio) == {"persistence", "ridge"}
    assert found.inner["ridge"] == 1 - found.search.epochs_ratio["ridge"]["mean"]
    assert found.winner == "ridge"
    decided_by_search = found.search.decided_by == "search"
    assert found.fitted["ridge"].shrink is not decided_by_search
    spearman = select(misleading(), params.model_copy(update={"criterion": "spearman"}), seed=0)
    assert spearman.search is None
    for name in params.candidates:  # the old scores are beside, whichever criterion decides
        assert spearman.scores[name] == found.scores[name]


def test_what_searches_decided_is_followed_in_full() -> None:
    params = PredictorsParams(candidates=("persistence", "ridge"), inner_folds=3)
    found = choose_by_search(misleading(), params, 0, REPLAY)
    assert (found.winner, found.search.decided_by, found.shrink) == ("ridge", "search", False)


def test_too_few_curves_are_told_as_such() -> None:
    params = PredictorsParams(candidates=("persistence", "ridge"), inner_folds=2)
    with pytest.raises(DataError, match="4 training curves of 4 configurations are too few to choose"):
        choose_by_search(misleading(4), params, 0, REPLAY)


def test_bad_settings_are_refused_in_a_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_params({"predictors": {"criterion": "serch"}})
    text = str(caught.value)
    assert "predictors.criterion" in text
    assert "search" in text
    assert len(text.splitlines()) == 2  # the file, and the line
    with pytest.raises(ConfigurationError, match=r"predictors\.criterion: search .* replay=mlpf_hpo\.Promot"):
        select(misleading(), PredictorsParams(candidates=("persistence", "ridge")), seed=0)
