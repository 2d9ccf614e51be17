"""TPE: what Optuna proposes after the same history; better with time; the same after a restart."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.searchers import make_searcher
from mlpf_hpo.search.searchers.tpe import STARTUP, TPESearcher
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Integer, LogUniform, SearchSpace, Uniform
from mlpf_hpo.target_metric import TargetMetric

SPACE = SearchSpace(
    {
        "lr": LogUniform(1e-5, 1e-1),
        "layers": Integer(1, 9),
        "width": Integer(8, 512, "log"),
        "dropout": Uniform(0.0, 0.5),
        "optimizer": Choice(("adam", "sgd")),
        "bias": Choice((False, True)),
    }
)
DISTRIBUTIONS = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "layers": IntDistribution(1, 9),
    "width": IntDistribution(8, 512, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "optimizer": CategoricalDistribution(["adam", "sgd"]),
    "bias": CategoricalDistribution([False, True]),
}
EPOCHS = 4
STREAM = SPACE.stream(30, seed=5)


def loss(configuration, epoch: int) -> float:
    return abs(math.log10(configuration["lr"]) + 3) + configuration["dropout"] + 1 / epoch


def lives(n: int) -> list[int]:
    """Return after how many epochs each trial stands: some at the end, some paused, some just started."""
    return [(0, 1, 2, EPOCHS)[i % 4] for i in range(n)]


def fill(searcher, epochs, sign=1.0) -> None:
    for i, n in enumerate(epochs):
        searcher.on_trial_add(f"t{i:03d}", STREAM[i])
        for epoch in range(1, n + 1):
            searcher.on_trial_result(f"t{i:03d}", epoch, sign * loss(STREAM[i], epoch))
        if n == EPOCHS:
            searcher.on_trial_complete(f"t{i:03d}")


def optuna_study(seed: int, epochs, earlier=()) -> optuna.Study:
    """Return a study that a program of its own has told the same, by `ask`, `report` and `tell`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()

    def trial(configuration):
        study.enqueue_trial(dict(configuration))
        return study.ask(DISTRIBUTIONS)

    for configuration, value in earlier:
        study.tell(trial(configuration), value)
    for i, n in enumerate(epochs):
        asked = trial(STREAM[i])
        for epoch in range(1, n + 1):
            asked.report(loss(STREAM[i], epoch), epoch)
        if n == EPOCHS:
            study.tell(asked, loss(STREAM[i], EPOCHS))
        elif n:
            study.tell(asked, state=TrialState.PRUNED)
    study.sampler = optuna.samplers.TPESampler(seed=derive_seed(seed, "proposal", len(epochs)))
    return study


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("n", [14, 30])
def test_it_proposes_what_optuna_proposes(seed, n) -> None:
    searcher = TPESearcher(SPACE, EPOCHS, seed=seed)
    fill(searcher, lives(n))
    assert searcher.suggest() == optuna_study(seed, lives(n)).ask(DISTRIBUTIONS).params


def prior(n: int = 12, mode="min", **columns) -> LearningCurves:
    rows = [dict(row) for row in SPACE.stream(n, seed=8)]
    rows[0] |= columns
    values = [[loss(row, epoch) for epoch in (1, 2)] for row in rows]
    sign = 1 if mode == "min" else -1
    return LearningCurves.from_arrays(rows, sign * np.array(values), TargetMetric("loss", mode))


def test_a_prior_campaign_is_completed_trials() -> None:
    curves = prior(lr=0.9)  # outside of the space: left out
    known = [(row, loss(row, 2)) for row in SPACE.stream(12, seed=8)[1:]]
    searcher = TPESearcher(SPACE, EPOCHS, seed=3, prior=curves)
    assert searcher.suggest() == optuna_study(3, [], known).ask(DISTRIBUTIONS).params
    fill(searcher, lives(9))
    assert searcher.suggest() == optuna_study(3, lives(9), known).ask(DISTRIBUTIONS).params
    assert searcher.suggest() != (make_searcher("tpe", SPACE, EPOCHS, seed=4, prior=curves).suggest())


def test_the_mode_mirrors() -> None:
    small = TPESearcher(SPACE, EPOCHS, "min", seed=1, prior=prior())
    large = TPESearcher(SPACE, EPOCHS, "max", seed=1, prior=prior(mode="max"))
    fill(small, lives(20))
    fill(large, lives(20), sign=-1.0)
    assert small.suggest() == large.suggest()


def test_it_waits_for_values_and_leaves_optunas_log_alone(capsys) -> None:
    before = optuna.logging.get_verbosity()
    searcher = TPESearcher(SPACE, EPOCHS)
    for i in range(STARTUP):
        searcher.on_trial_add(f"t{i:03d}", STREAM[i])
    assert searcher.suggest() is None
    for i in range(STARTUP - 1):
        searcher.on_trial_result(f"t{i:03d}", 1, float(i))
    assert searcher.suggest() is None
    searcher.on_trial_result("t009", 1, 9.0)
    assert all(SPACE.domains[name].contains(value) for name, value in searcher.suggest().items())
    searcher.on_trial_error("t009")
    assert searcher.suggest() is None, "a failed trial says nothing"
    assert optuna.logging.get_verbosity() == before
    assert capsys.readouterr() == ("", "")


def test_a_diverged_trial_is_the_worst() -> None:
    """Where half of the range diverges nothing more is proposed there, however far these trials came."""
    space = SearchSpace({"x": Uniform(0.0, 1.0)})
    searcher = TPESearcher(space, EPOCHS)
    for i in range(20):
        searcher.on_trial_add(f"t{i:03d}", {"x": i / 20})
        searcher.on_trial_result(f"t{i:03d}", 1, 1.0)
        if i >= 10:
            searcher.on_trial_result(f"t{i:03d}", 2, math.nan)
            searcher.on_trial_complete(f"t{i:03d}")
    assert searcher.suggest()["x"] < 0.5


def test_it_depends_on_what_is_known_alone() -> None:
    """After a restart all starts come first, then the results."""
    searcher, rebuilt = (TPESearcher(SPACE, EPOCHS, seed=2, prior=prior()) for _ in range(2))
    fill(searcher, lives(16))
    for i in range(16):
        rebuilt.on_trial_add(f"t{i:03d}", STREAM[i])
    for epoch in range(1, EPOCHS + 1):
        for i, n in enumerate(lives(16)):
            if epoch <= n:
                rebuilt.on_trial_result(f"t{i:03d}", epoch, loss(STREAM[i], epoch))
    first = searcher.suggest()
    assert searcher.suggest() == first == rebuilt.suggest()
    searcher.on_trial_add("t016", first)
    assert searcher.suggest() != first, "a next one has another seed"


def test_later_proposals_are_better_than_random_ones() -> None:
    space = SearchSpace({"x": Uniform(0.0, 1.0), "y": LogUniform(1e-4, 1.0), "kind": Choice(("a", "b", "c"))})

    def value(one) -> float:
        return (one["x"] - 0.3) ** 2 + (math.log10(one["y"]) / 4 + 0.5) ** 2 + 0.2 * (one["kind"] != "b")

    means = []
    for seed in range(3):
        searcher, stream = TPESearcher(space, 1, seed=seed), space.stream(40, seed=seed)
        values = []
        for i in range(40):
            proposed = searcher.suggest() or stream[i]
            values.append(value(proposed))
            searcher.on_trial_add(f"t{i:03d}", proposed)
            searcher.on_trial_result(f"t{i:03d}", 1, values[-1])
        means.append((np.mean(values[20:]), np.mean([value(one) for one in stream[20:]])))
    assert all(later < 0.5 * at_random for later, at_random in means), means


def test_what_it_cannot_use_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="searcher tpe: mode min, but the prior's target is"):
        TPESearcher(SPACE, EPOCHS, prior=prior(mode="max"))
    other = LearningCurves.from_arrays(
        [{"lr": 0.1}, {"lr": 0.2}], [[1.0], [2.0]], TargetMetric("loss", "min")
    )
    with pytest.raises(DataError, match="lacks layers, width, dropout, optimizer, bias; searcher tpe needs"):
        TPESearcher(SPACE, EPOCHS, prior=other)
    with pytest.raises(
        DataError, match="none of its 2 curves has a final value and lies in the search space"
    ):
        TPESearcher(SearchSpace({"lr": Uniform(0.3, 0.4)}), EPOCHS, prior=other)
    with pytest.raises(ConfigurationError, match=r"no searcher 'tpf' \(did you mean tpe\?\)"):
        make_searcher("tpf", SPACE, EPOCHS)
