"""Posteriors of final values against plain Gaussian algebra, and processes against one joint process."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.freeze_thaw.final_values import (
    JITTER,
    OFFSET,
    OWN_OFFSET,
    OWN_SHARES,
    OwnProcesses,
    PriorCampaign,
    Process,
    condition,
    encode,
    prior_finals,
)
from mlpf_hpo.target_metric import TargetMetric


def whole(process: Process) -> np.ndarray:
    """Return the whole covariance of a process."""
    n = len(process.mean)
    found = np.full((n, n), process.offset) + process.own * np.eye(n)
    for weight, matrix in process.terms:
        found = found + weight * matrix
    return process.scale * found


def plain_posterior(mean, covariance, rows, values, noise):
    """Return mean, covariance and density of the values by the textbook, with an explicit inverse."""
    known = covariance[np.ix_(rows, rows)] + np.diag(noise + JITTER)
    gain = covariance[:, rows] @ np.linalg.inv(known)
    residual = values - mean[rows]
    density = np.exp(-0.5 * residual @ np.linalg.inv(known) @ residual) / np.sqrt(np.linalg.det(known))
    return mean + gain @ residual, covariance - gain @ covariance[rows], density


def test_condition_is_the_average_of_posteriors_weighted_by_evidence() -> None:
    generator = np.random.default_rng(1)
    processes = OwnProcesses(generator.normal(size=(9, 2))).processes(mean=0.4, variance=2.0)
    rows, asked = np.array([7, 0, 3]), np.array([1, 3, 8])  # one of them observed, and asked all the same
    values, noise = np.array([1.5, -0.2, 0.7]), np.array([0.1, 0.5, 0.0])
    parts = [plain_posterior(one.mean, whole(one), rows, values, noise) for one in processes]
    weights = np.array([density for *_, density in parts])
    weights /= weights.sum()
    assert weights.max() < 0.9
    means = np.array([mean[asked] for mean, _, _ in parts])
    variances = np.array([np.diag(covariance)[asked] for _, covariance, _ in parts])
    average = weights @ means
    mean, variance = condition(processes, rows, values, noise, asked)
    assert mean == pytest.approx(average)
    assert variance == pytest.approx(weights @ (variances + means**2) - average**2, abs=1e-9)


def test_nothing_observed_leaves_the_processes_as_they_are() -> None:
    processes = OwnProcesses(np.zeros((4, 0))).processes(mean=2.0, variance=3.0)
    mean, variance = condition(processes, np.array([], int), np.zeros(0), np.zeros(0), np.arange(4))
    assert mean == pytest.approx([2.0] * 4)
    assert variance == pytest.approx([3.0 * (1 + OWN_OFFSET)] * 4)


def test_own_processes_share_what_hyperparameters_explain() -> None:
    trials = np.array([[0.0], [0.0], [9.0]])
    for share, process in zip(OWN_SHARES, OwnProcesses(trials).processes(0.0, 1.0), strict=True):
        covariance = whole(process)
        assert covariance[0, 0] == pytest.approx(1 + OWN_OFFSET)
        assert covariance[0, 1] == pytest.approx(share + OWN_OFFSET)
        assert covariance[0, 2] == pytest.approx(OWN_OFFSET, abs=0.01)


def smooth(inputs: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(inputs[:, 0]) + 0.5 * inputs[:, 1])


def test_correlation_1_is_one_process_of_both_sets_together() -> None:
    generator = np.random.default_rng(2)
    inputs, trials = generator.normal(size=(30, 2)), generator.normal(size=(6, 2))
    final = smooth(inputs) + 0.1 * generator.normal(size=30)
    campaign = PriorCampaign(inputs, final, trials)
    (process,) = campaign.processes(campaign.mean, campaign.spread, [1.0])
    from mlpf_hpo.predictors.regressors.joint_process import JointProcess

    fitted = JointProcess(folds=2).fit(inputs, final)
    both = np.vstack([inputs, trials])
    covariance = fitted.covariance(both, both) + fitted.noise_variance_ * np.eye(36)
    known = covariance[:30, :30]
    gain = covariance[30:, :30] @ np.linalg.inv(known)
    expected = gain @ (final - final.mean()) * 1.0 + final.mean()
    left = covariance[30:, 30:] - gain @ covariance[:30, 30:] + OFFSET
    assert process.mean == pytest.approx(expected, abs=1e-6)
    assert whole(process) == pytest.approx(final.var() * left, abs=1e-6)


def test_correlation_0_forgets_the_prior() -> None:
    generator = np.random.default_rng(3)
    inputs, trials = generator.normal(size=(30, 2)), generator.normal(size=(5, 2))
    one, other = (
        PriorCampaign(inputs, sign * smooth(inputs), trials).processes(7.0, 2.0, [0.0])[0] for sign in (1, -1)
    )
    assert one.mean.tolist() == [7.0] * 5
    assert whole(one) == pytest.approx(whole(other), abs=1e-3)


@pytest.mark.parametrize(("permuted", "follows"), [(False, True), (True, False)])
def test_a_misleading_prior_is_unlearnt_within_a_few_trials(permuted, follows) -> None:
    generator = np.random.default_rng(4)
    inputs, trials = generator.normal(size=(60, 2)), generator.normal(size=(40, 2))
    final = smooth(inputs)
    campaign = PriorCampaign(inputs, -final if permuted else final, trials)
    processes = campaign.processes(campaign.mean, campaign.spread)
    truth = smooth(trials)
    rows, asked = np.arange(6), np.arange(6, 40)
    before, _ = condition(processes, rows[:0], truth[:0], truth[:0], asked)
    after, _ = condition(processes, rows, truth[rows], np.full(6, 0.01), asked)
    assert (np.corrcoef(before, truth[asked])[0, 1] > 0.8) == follows
    error = np.abs(after - truth[asked]).mean()
    if follows:
        assert error < 0.25
    else:  # what six trials say by themselves, not the contrary of the truth
        assert error < 0.5 * np.abs(before - truth[asked]).mean()


def test_encoding_is_of_ranks_and_drops_what_does_not_vary() -> None:
    prior = pd.DataFrame({"lr": [1e-4, 1e-3, 1e-2], "same": [1, 1, 1], "opt": ["a", "b", "a"]})
    trials = pd.DataFrame({"lr": [1e-1, 1e-5], "same": [1, 1], "opt": ["b", "a"]})
    first, second = encode(prior, trials)
    assert (first.shape, second.shape) == ((3, 3), (2, 3))  # lr, and a column for each category
    together = np.vstack([first, second])
    assert together.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert together.std(axis=0) == pytest.approx([1, 1, 1])
    assert np.argsort(together[:, 0]).tolist() == [4, 0, 1, 2, 3]
    assert encode(pd.DataFrame(index=range(3)))[0].shape == (3, 0)
    assert encode(trials[["same"]])[0].shape == (2, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_finals_of_a_prior(sign) -> None:
    values = sign * np.arange(18.0).reshape(6, 3)
    values[2, 1:] = np.nan
    target = TargetMetric("m", "min" if sign == 1 else "max")
    prior = LearningCurves.from_arrays([{"a": i} for i in range(6)], values, target)
    assert prior_finals(prior, 3)[[0, 1, 3, 4, 5]].tolist() == [2, 5, 11, 14, 17]
    assert np.isnan(prior_finals(prior, 3)[2])
    assert prior_finals(prior, 1).tolist() == [0, 3, 6, 9, 12, 15]  # a search to fewer epochs
    assert prior_finals(prior, 9)[5] == 17  # and to more
    with pytest.raises(DataError, match=r"4 of 5 curves have a final value; needed are 5"):
        prior_finals(prior.select([0, 1, 2, 3, 4]), 3)
    prior.configs["stopped"] = np.arange(6) == 2
    with pytest.raises(DataError, match=r"4 of 5 curves have a final value \(1 censored\); needed are 5"):
        prior_finals(prior.select([0, 1, 2, 3, 4]), 3)
