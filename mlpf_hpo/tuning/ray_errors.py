"""Causes of Ray Tune's errors: the training's own error, a worker that died, a file system that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.tune.execution import tune_controller

from mlpf_hpo.errors import StorageError
from mlpf_hpo.files import REFUSALS, storage_error

FOR_MEMORY = "running low on memory"
"""Part of Ray's message about a worker that its memory monitor killed."""


class WorkerDied(Exception):  # noqa: N818 - named as an event
    """The process that trained a trial is gone; the message says what is known of its end."""


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


def _death(message: str) -> str:
    """Return how a worker ended, by Ray's message."""
    if FOR_MEMORY in message:
        return "Ray's memory monitor killed it, as the machine ran low on memory (RAY_memory_usage_threshold)"
    return "killed from outside, perhaps for memory, or crashed"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
