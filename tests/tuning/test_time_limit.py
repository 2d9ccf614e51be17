"""The time limit of a batch job: what does not fit is refused, in one line."""

from __future__ import annotations

import time

import psutil
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tuning.time_limit import (
    CLOSING_SECONDS,
    VARIABLE,
    check_time_limit,
    job_end,
    no_epoch_fits,
    time_is_up,
)


@pytest.fixture
def job_of(monkeypatch: pytest.MonkeyPatch):
    """Return what makes this the process of a job that has so many seconds to train."""
    begun = psutil.Process().create_time()
    return lambda seconds: monkeypatch.setenv(VARIABLE, str(begun + CLOSING_SECONDS + seconds))


def test_without_a_limit_everything_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.setenv(VARIABLE, value) if value is not None else monkeypatch.delenv(VARIABLE, False)
        assert job_end() is None
        assert not time_is_up()
        check_time_limit(1e9)


def test_an_epoch_that_does_not_fit_is_refused(job_of) -> None:
    job_of(90)
    check_time_limit(89.0)
    with pytest.raises(ConfigurationError, match=r"leaves 90 s to train .* takes at least 91 s ") as refused:
        check_time_limit(91.0)
    assert "\n" not in str(refused.value)


def test_a_job_without_time_is_refused_whatever_epochs_take(job_of) -> None:
    job_of(-30)
    assert time_is_up()
    job_of(time.time())
    assert not time_is_up()
    job_of(-30)
    with pytest.raises(ConfigurationError, match=r"leaves 0 s to train \(60 s are kept for its end\); raise"):
        check_time_limit(0.0)
    assert "\n" not in str(no_epoch_fits(3))


def test_an_end_that_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "12:00")
    with pytest.raises(ConfigurationError, match=f"{VARIABLE}='12:00': no time in seconds"):
        job_end()
