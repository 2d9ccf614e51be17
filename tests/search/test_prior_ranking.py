"""Ranking by a prior campaign: against final values that are a known function of the hyperparameters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.search.prior_ranking import rank_by_prior
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.schedulers import make_scheduler
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.hyperband import Hyperband
from mlpf_hpo.search.schedulers.prior_skip import PriorSkip
from mlpf_hpo.search.schedulers.top_k import TopK
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

EPOCHS = 4


def campaign(n, seed, mode="min", kinds=("relu", "tanh"), **columns) -> LearningCurves:
    """Return curves that end at a smooth function of two hyperparameters; a third one has no effect."""
    generator = np.random.default_rng(seed)
    rows = [
        {
            "lr": float(10 ** generator.uniform(-4, -1)),
            "activation": str(generator.choice(kinds)),
            "unused": float(generator.uniform()),
            **columns,
        }
        for _ in range(n)
    ]
    ends = [(math.log10(row["lr"]) + 2.3) ** 2 + 0.5 * (row["activation"] == "tanh") for row in rows]
    falls = np.array(ends)[:, None] + 1 + np.arange(EPOCHS)[::-1] * generator.uniform(0.5, 1, (n, 1))
    sign = 1 if mode == "min" else -1
    return LearningCurves.from_arrays(rows, sign * falls, TargetMetric("loss", mode), source="theirs")


def configurations(curves) -> dict[str, dict]:
    table = curves.configs[list(curves.hyperparameters)]
    return {f"t{i:03d}": row for i, row in enumerate(table.to_dict("records"))}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_order_is_that_of_the_final_values(mode) -> None:
    prior, new = campaign(40, 1, mode), campaign(30, 2, mode)
    ranked = rank_by_prior(prior, configurations(new))
    assert sorted(ranked) == list(configurations(new))
    costs = new.final if mode == "min" else -new.final
    positions = [ranked.index(trial) for trial in configurations(new)]
    assert spearmanr(positions, costs).statistic > 0.97
    assert rank_by_prior(prior.select(np.arange(40)[::-1]), configurations(new))[:5] == ranked[:5]


def test_the_ranking_that_is_kept_is_that_of_its_prior_and_trials() -> None:
    prior, new = campaign(40, 1), configurations(campaign(30, 2))
    ranked = rank_by_prior(prior, new)
    ranked_again = rank_by_prior(prior, new)
    assert ranked_again == ranked
    ranked_again.clear()
    assert rank_by_prior(prior, new) == ranked, "a caller's list is its own"
    assert rank_by_prior(replace(prior, metrics={"loss": -prior.values}), new) != ranked
    assert rank_by_prior(prior, dict(list(new.items())[:9])) == [t for t in ranked if t in list(new)[:9]]
    assert rank_by_prior(prior, new) == ranked


def test_hyperparameters_that_only_one_side_has_are_ignored() -> None:
    prior, new = campaign(40, 1, momentum=0.9), campaign(30, 2, width=8)
    expected = rank_by_prior(campaign(40, 1), configurations(campaign(30, 2)))
    assert rank_by_prior(prior, configurations(new)) == expected


def test_a_diverged_training_counts_as_the_worst() -> None:
    prior = campaign(40, 1)
    bad = prior.configs["lr"].to_numpy() > 10**-2.3
    prior.values[bad, 2:] = math.nan
    prior.status[bad] = "diverged"
    left_out = prior.select(~bad)
    new = configurations(campaign(60, 2))
    large = {trial for trial, row in new.items() if row["lr"] > 10**-1.6}
    assert large
    assert not large & set(rank_by_prior(prior, new)[:20])
    assert len(left_out) > 10
    prior.status[bad] = "unknown"  # cut short for another reason: left out
    assert rank_by_prior(prior, new) == rank_by_prior(left_out, new)


@pytest.mark.parametrize("workers", [1, 3, 40])
def test_the_k_best_are_trained_and_nothing_else(workers) -> None:
    prior, new = campaign(40, 1), campaign(20, 2)
    ranked = rank_by_prior(prior, configurations(new))
    found = simulate(new, make_scheduler("prior_best_k", max_epochs=EPOCHS, k=3, prior=prior), workers)
    epochs = {trial.trial_id: trial.epochs for trial in found.trials}
    assert epochs == {trial: EPOCHS if trial in ranked[:3] else 0 for trial in epochs}
    if workers == 1:
        assert [f"t{row:03d}" for row in found.rows[::EPOCHS]] == ranked[:3]
    assert {trial.reason for trial in found.trials} == {"", "not started"}
    everything = make_scheduler("prior_best_k", max_epochs=EPOCHS, k=99, prior=prior)
    assert simulate(new, everything, workers).epochs == 20 * EPOCHS


@pytest.mark.parametrize(("share", "skipped"), [(0.5, 10), (0.7, 14), (0.04, 0)])
def test_the_worst_share_is_skipped_and_the_rest_as_if_alone(share, skipped) -> None:
    prior, new = campaign(40, 1), campaign(20, 2)
    ranked = rank_by_prior(prior, configurations(new))
    kept = sorted(ranked[: 20 - skipped])
    found = simulate(new, make_scheduler("prior_skip", max_epochs=EPOCHS, share=share, prior=prior))
    rows = [int(trial[1:]) for trial in kept]
    alone = simulate(new.select(rows), make_scheduler("promotion_asha", max_epochs=EPOCHS))
    epochs = [trial.epochs for trial in found.trials]
    assert [epochs[row] for row in rows] == [trial.epochs for trial in alone.trials]
    assert sum(epochs) == alone.epochs
    assert epochs.count(0) == skipped


def test_skip_before_any_scheduler() -> None:
    """A scheduler that waits for all of its trials does not wait for the skipped ones."""
    prior, new = campaign(40, 1), campaign(20, 2)
    found = simulate(new, PriorSkip(TopK(EPOCHS, k=2), 0.5, prior=prior), workers=3)
    assert sorted(trial.epochs for trial in found.trials) == [0] * 10 + [1] * 8 + [EPOCHS] * 2
    assert simulate(new, PriorSkip(FullTraining(), 0.75, prior=prior)).epochs == 5 * EPOCHS


def test_after_a_restart_results_come_before_the_first_choice() -> None:
    prior, new = campaign(40, 1), campaign(20, 2)
    scheduler = PriorSkip(Hyperband(EPOCHS, reduction_factor=2), 0.5, prior=prior)
    for trial, row in configurations(new).items():
        scheduler.on_trial_add(trial, row)
    best = rank_by_prior(prior, configurations(new))[0]
    first = [trial for trial in configurations(new) if trial in scheduler.scheduler._bracket_of]
    assert not first, "which are kept is known only when all are there"
    assert scheduler.on_trial_result(best, 1, 1.0) is not Decision.STOP
    assert len(scheduler.scheduler._bracket_of) == 10


@pytest.mark.parametrize("name", ["prior_best_k", "prior_skip"])
def test_priors_without_sense_are_refused(name) -> None:
    def make(prior, **settings):
        return make_scheduler(name, max_epochs=EPOCHS, prior=prior, **settings)

    prior, new = campaign(40, 1), campaign(5, 2)
    with pytest.raises(ConfigurationError, match=f"{name} needs the curves of a prior campaign"):
        make(None)
    with pytest.raises(ConfigurationError, match=r"mode max, but the prior's target is loss \(min\)"):
        make(prior, mode="max")
    empty = campaign(5, 1)
    empty.values[:, 2:] = math.nan
    with pytest.raises(DataError, match="prior theirs: 0 of 5 curves have a final value"):
        make(empty)
    other = LearningCurves.from_arrays([{"depth": 1.0 * i} for i in range(5)], prior.values[:5], prior.target)
    with pytest.raises(ConfigurationError, match=r"shares no hyperparameter .* has depth, they have lr, act"):
        simulate(new, make(other))
    text = LearningCurves.from_arrays([{"lr": f"{i}"} for i in range(5)], prior.values[:5], prior.target)
    with pytest.raises(ConfigurationError, match="hyperparameter lr is a text in"):
        simulate(new, make(text))


@pytest.mark.parametrize("share", [0, 1.0, -0.5, "half"])
def test_shares_without_sense_are_refused(share) -> None:
    with pytest.raises(ConfigurationError, match="share must be a number between 0 and 1"):
        make_scheduler("prior_skip", max_epochs=EPOCHS, share=share, prior=campaign(5, 1))
