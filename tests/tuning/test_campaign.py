"""A campaign is no data set while trials are missing."""

from __future__ import annotations

import pytest

from mlpf_hpo.errors import DataError
from mlpf_hpo.tuning.campaign import _check_all_trained
from mlpf_hpo.tuning.run import TrialOutcome


def outcomes(*statuses: str) -> list[TrialOutcome]:
    """Return outcomes with these statuses; what failed did so for memory."""
    return [
        TrialOutcome(f"t{i:03d}", f"k{i}", f"r{i}", status, 3, 1.0, "no memory" if status == "failed" else "")
        for i, status in enumerate(statuses)
    ]


def test_diverged_trials_are_part_of_the_data() -> None:
    _check_all_trained(outcomes("finished", "diverged", "diverged"), failures_allowed=0)


def test_failed_trials_are_not() -> None:
    several = outcomes("finished", "failed", "diverged", "failed")
    with pytest.raises(DataError, match=r"2 of 4 trials failed, 1 may .*2 of them: no memory.*run it again"):
        _check_all_trained(several, failures_allowed=1)
    _check_all_trained(several, failures_allowed=2)


def test_nothing_that_finished() -> None:
    with pytest.raises(DataError, match="no trial of 2 finished; 1 of them: no memory"):
        _check_all_trained(outcomes("failed", "diverged"), failures_allowed=2)
