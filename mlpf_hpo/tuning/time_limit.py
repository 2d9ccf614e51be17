"""The time limit of the batch job that this process runs in, if it runs in one."""

from __future__ import annotations

import os
import time

import psutil

from mlpf_hpo.errors import ConfigurationError

VARIABLE = "MLPF_HPO_JOB_END"
"""When the job ends, in seconds since 1970; slurm/ray_job.sh sets it."""

CLOSING_SECONDS = 60.0
"""Kept for what follows the last epoch: runs are closed, Ray ends, the job is queued again."""

EPOCH_SECONDS = "time/epoch_seconds"
"""Metric of a trial: how long its epochs take."""


def job_end() -> float | None:
    """Return until when this job may train, in seconds since 1970; None if it has no limit.

    Raises
    ------
    ConfigurationError
        If the variable is no number.
    """
    end = os.environ.get(VARIABLE)
    if not end:
        return None
    try:
        return float(end) - CLOSING_SECONDS
    except ValueError:
        raise ConfigurationError(
            f"{VARIABLE}={end!r}: no time in seconds since 1970; correct it, or unset it for no limit"
        ) from None


def time_is_up() -> bool:
    """Tell whether this job has a limit, and no time left to train."""
    end = job_end()
    return end is not None and end <= time.time()


def check_time_limit(epoch_seconds: float) -> None:
    """Refuse a job whose time, from the start of this process on, is shorter than an epoch.

    `epoch_seconds` is the least that an epoch took before, 0 if none is on record.

    Raises
    ------
    ConfigurationError
        If the time is too short; the message says how long it is.
    """
    end = job_end()
    if end is None:
        return
    given = end - psutil.Process().create_time()
    if given > epoch_seconds:
        return
    needed = f", and an epoch takes at least {epoch_seconds:.0f} s by the record" if epoch_seconds else ""
    raise ConfigurationError(
        f"the job's time limit leaves {max(given, 0):.0f} s to train ({CLOSING_SECONDS:.0f} s are kept for "
        f"its end){needed}; raise it (sbatch --time)"
    )


def no_epoch_fits(trained: int) -> ConfigurationError:
    """Return the error if the job's time was over before any of the `trained` trials ended an epoch."""
    return ConfigurationError(
        f"no epoch of {trained} trials ended within the job's time: its limit is shorter than an epoch, and "
        "the next job would come no further; raise it (sbatch --time)"
    )
