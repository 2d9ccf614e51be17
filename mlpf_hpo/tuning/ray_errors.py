"""Causes of errors of Ray: the training's own, a worker that died, a full file system, a failed start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller

from mlpf_hpo.errors import StartError, StorageError, one_line
from mlpf_hpo.files import REFUSALS, storage_error
from mlpf_hpo.tuning.trial_reports import WorkerDied

FOR_MEMORY = "running low on memory"
"""Part of Ray's message about a worker that its memory monitor killed."""

GCS_PORT, GCS_WAIT = "gcs_server_port", "RAY_gcs_server_port_wait_time_s"
"""A file that Ray's server writes when it has started, and the variable for how long Ray waits for it.

How long the raylet waits for its agents, the other wait that is too short where a machine is slow, no
variable changes; longer waits for the raylet only put off the error.
"""

_LAST_WORDS = re.compile(r" C \d+ \d+\] \(raylet\) \S+ +(?:.*Check failed: )?(?P<words>.+)")
"""What a raylet logs that ends itself, after time and process."""


class _ActorManager(RayActorManager):
    """Takes a worker that Ray's memory monitor killed for one that died; Tune would end the whole run."""

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        super()._actor_task_failed(tracked_actor_task, exception)


@contextmanager
def memory_kills_as_deaths() -> Iterator[None]:
    """Let Tune, within the block, meet a worker that was killed for memory like any other that died."""
    before = tune_controller.RayActorManager
    tune_controller.RayActorManager = _ActorManager
    try:
        yield
    finally:
        tune_controller.RayActorManager = before


def trial_error(trial: Any) -> Exception:
    """Return what a trial of Tune broke with.

    Returns
    -------
    Exception
        The training's own exception, or `WorkerDied`.
    """
    if trial.pickled_error_file is not None:
        error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        if isinstance(error, RayTaskError) and isinstance(error.cause, Exception):
            return error.cause
        if not isinstance(error, RayActorError):
            return error
    # Ray keeps no object for its other errors, all of which are about processes and nodes that went away.
    return WorkerDied(_death(Path(trial.error_file).read_text(encoding="utf-8", errors="replace")))


def refusal(error: BaseException, folder: Path) -> StorageError | None:
    """Return the refusal of the file system that `error` comes from, or None if it has another cause.

    Parameters
    ----------
    error : BaseException
        What Ray or Tune raised.
    folder : path
        Where Ray and Tune write; named in the message.
    """
    for link in _chain(error):
        if isinstance(link, StorageError):
            return link
        if isinstance(link, OSError) and link.errno in REFUSALS:
            return storage_error(link, link.filename or folder)
    return None


def start_failure(error: Exception, folder: Path) -> StartError | None:
    """Return that Ray did not start, and why; None if `error` says something else.

    Parameters
    ----------
    error : Exception
        What `ray.init` raised. Ray has no class for it.
    folder : path
        The session's temporary folder, with the raylet's log.
    """
    if not (isinstance(error, RuntimeError | RayError) or type(error) is Exception):
        return None
    longer = f", or have Ray wait longer than 30 s ({GCS_WAIT})" if GCS_PORT in str(error) else ""
    return StartError(
        f"Ray did not start on this machine: {_raylets_last_words(folder) or one_line(error)}; its processes "
        f"are too slow where the machine is overloaded: run it again when less runs beside it{longer}"
    )


def _raylets_last_words(folder: Path) -> str | None:
    for log in folder.glob("session_*/logs/raylet.err"):
        found = _LAST_WORDS.search(log.read_text(encoding="utf-8", errors="replace"))
        if found is not None:
            return f"the raylet ended: {found['words']}"
    return None


def _death(message: str) -> str:
    """Return how a worker ended, by Ray's message."""
    if FOR_MEMORY in message:
        return "Ray's memory monitor killed it, as the machine ran low on memory (RAY_memory_usage_threshold)"
    return "killed from outside, perhaps for memory, or crashed"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
