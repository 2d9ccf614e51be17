"""Schedulers beside searchers: who takes one, the random stream, one row a trial, and restarts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.schedulers import SCHEDULERS, make_scheduler
from mlpf_hpo.search.schedulers.proposing import ProposingScheduler, with_searcher
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.space import SearchSpace, Uniform
from mlpf_hpo.target_metric import TargetMetric

EPOCHS, TRIALS = 9, 18
CHOOSING = {"freeze_thaw", "prior_best_k", "prior_skip"}
"""Schedulers that choose among configurations before the first trial starts."""

MORE = {"random": {"n_trials": 14}, "asha": {"budget_epochs": 60}}
SPACE = SearchSpace({"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)})


def final(one) -> float:
    return (one["x"] - 0.3) ** 2 + 0.5 * (one["y"] - 0.6) ** 2


def recorded(seed: int = 0, n: int = TRIALS) -> LearningCurves:
    rows = SPACE.stream(n, seed)
    values = [[final(row) + 2.0**-epoch for epoch in range(EPOCHS)] for row in rows]
    return LearningCurves.from_arrays(rows, values, TargetMetric("loss", "min"))


class Exact:
    """In place of a fitted predictor: knows the final value, by the hyperparameters."""

    def predict_interval(self, X, coverage=None):
        mean = (X["x"] - 0.3).to_numpy() ** 2 + 0.5 * (X["y"] - 0.6).to_numpy() ** 2
        return Prediction(mean, mean - 0.01, mean + 0.01, coverage or 0.9)


def tpe(name: str, seed: int = 0, prior=None, **settings) -> ProposingScheduler:
    def make():
        return make_scheduler(name, prior=prior, **{"max_epochs": EPOCHS} | settings)

    return with_searcher(make, name, "tpe", SPACE, EPOCHS, seed=seed, prior=prior)


def spec(name: str, searcher: str = "tpe") -> SchedulerSpec:
    return SchedulerSpec(name, {**MORE.get(name, {}), "searcher": searcher})


@pytest.mark.parametrize("name", sorted(CHOOSING))
def test_who_chooses_among_configurations_takes_none(name) -> None:
    settings = {"prior_best_k": {"k": 2}}.get(name, {})
    draw = Draw(0, recorded(), recorded(9))
    with pytest.raises(ConfigurationError, match=f"scheduler {name} takes no searcher: it chooses among"):
        SchedulerSpec(name, {**settings, "searcher": "tpe"}).make(draw)


@pytest.mark.parametrize("name", sorted(set(SCHEDULERS.builtin) - CHOOSING))
def test_every_other_one_takes_one(name) -> None:
    """Each row is trained once, trial by trial in the order in which they start; the same again."""
    curves = recorded()
    draw = Draw(3, curves, recorded(9))
    found, again = (simulate(curves, spec(name).make(draw), 3, seed=1) for _ in range(2))
    assert repr(found) == repr(again)
    assert found.rows.tolist() == again.rows.tolist()
    assert "finished" in {trial.status for trial in found.trials}
    assert sorted(trial.trial_id for trial in found.trials) == [f"t{i:03d}" for i in range(TRIALS)]
    for row, trial in enumerate(found.trials):
        assert trial.values == curves.values[row, : trial.epochs].tolist()
        assert (found.rows == row).sum() == trial.epochs
        if trial.epochs:
            assert trial.configuration == SPACE.stream(TRIALS, 0)[row]
            assert trial.key == f"t{row:03d}"
    if name != "random":
        plain = simulate(curves, spec(name, "random").make(draw), 3, seed=1)
        assert found.rows.tolist() != plain.rows.tolist()


class Silent:
    """A searcher that proposes nothing."""

    def suggest(self):
        return None

    def on_trial_add(self, trial_id, configuration) -> None: ...

    on_trial_complete = on_trial_error = lambda self, trial_id: None
    on_trial_result = lambda self, trial_id, epoch, value: None  # noqa: E731


@pytest.mark.parametrize("name", ["hyperband", "asha", "pasha", "top_k"])
def test_where_nothing_is_proposed_the_stream_is_searched(name) -> None:
    """What `random` stands for: configurations in today's order; a scheduler without a searcher is itself."""
    curves, draw = recorded(), Draw(3, recorded(), None)
    plain = spec(name, "random").make(draw)
    assert not isinstance(plain, ProposingScheduler)
    silent = ProposingScheduler(spec(name, "random").make(draw), Silent(), SPACE, EPOCHS)
    one, other = simulate(curves, plain, 4, seed=2), simulate(curves, silent, 4, seed=2)
    assert repr(one) == repr(other)
    assert one.rows.tolist() == other.rows.tolist()


def test_predictions_use_what_was_proposed() -> None:
    curves = recorded()
    for name in ("asha", "promotion_asha", "predicted_promotion"):
        scheduler = tpe(name, predictor=Exact(), prior=None)
        found = simulate(curves, scheduler, 2, seed=1)
        assert found.best == min(final(row) for row in SPACE.stream(TRIALS, 0)) + 2.0 ** (1 - EPOCHS)


def test_warm_it_finds_the_best_row_first() -> None:
    curves, warm = recorded(), recorded(9, n=200)
    first = {}
    for prior in (None, warm):
        draw = Draw(1, curves, prior)
        found = simulate(curves, spec("full").make(draw), 1, seed=0)
        values = [final(found.trials[row].configuration) for row in found.rows[::EPOCHS]]
        first[prior is None] = float(np.mean(values[:5]))
    assert first[False] < 0.5 * first[True]


@pytest.mark.parametrize("name", ["hyperband", "promotion_asha", "asha"])
def test_a_search_goes_on_from_its_record(name, simulate) -> None:
    """One worker, interrupted after some results: with the starts that are on record it goes on the same."""
    stream = SPACE.stream(TRIALS, 0)

    def ledger(results=(), started=()):
        trials = [Trial(f"t{i:03d}", f"t{i:03d}", one) for i, one in enumerate(stream)]
        scheduler = tpe(name, seed=4)
        made = Ledger(trials, scheduler, EPOCHS, TargetMetric("loss", "min"))
        for trial_id, configuration in started:
            scheduler.start(trial_id, configuration)
            made.trials[trial_id].configuration = configuration
        made.restore({}, results)

        def realize(trial_id, proposed):
            made.trials[trial_id].configuration = proposed
            record.append((trial_id, proposed))
            return proposed

        scheduler.realize = realize
        return made

    class Table(dict):
        """Values by the configuration that a trial has by now."""

        def __init__(self, of) -> None:
            self.of = of

        def __getitem__(self, trial_id):
            one = self.of.trials[trial_id].configuration
            return [final(one) + 2.0**-epoch for epoch in range(EPOCHS)]

    def epochs(one):
        return [(trial.configuration, trial.epochs, trial.status) for trial in one.trials.values()]

    record: list = []
    whole = ledger()
    commit, results = whole.commit, []
    whole.commit = lambda trial_id: results.append((commit(trial_id), len(record)))
    simulate(whole, Table(whole), 1, seed=0)
    starts = list(record)
    assert [one for _, one in starts] != stream
    assert not any(math.isnan(value) for trial in whole.trials.values() for value in trial.values)
    for n in (1, len(results) // 3, len(results) * 2 // 3, len(results) - 1):
        resumed = ledger([entry for entry, _ in results[:n]], starts[: results[n - 1][1]])
        simulate(resumed, Table(resumed), 1, seed=0)
        assert epochs(resumed) == epochs(whole)


def test_as_text() -> None:
    assert str(SchedulerSpec.parse("hyperband:searcher=tpe:reduction_factor=2")) == (
        "hyperband:searcher=tpe:reduction_factor=2"
    )
    with pytest.raises(ConfigurationError, match=r"--schedulers: no searcher 'tbe' \(did you mean tpe\?\)"):
        SchedulerSpec.parse("asha:searcher=tbe", "--schedulers")
