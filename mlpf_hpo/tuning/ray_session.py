"""A Ray session for one run: started on this machine or attached to, and taken down without traces."""

from __future__ import annotations

import logging
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray

import mlpf_hpo.tracking.client  # noqa: F401  (sets what keeps Ray from phoning)
from mlpf_hpo.errors import ConfigurationError, StorageError
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.own_package import PATH_VARIABLE, import_path, refuse_another
from mlpf_hpo.tracking.login import logged_out
from mlpf_hpo.tuning.ray_cluster import cluster_address, refused
from mlpf_hpo.tuning.ray_errors import refusal
from mlpf_hpo.tuning.ray_folder import session_folder
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import TaskResources

ONE = TaskResources()
"""A trial of one process with one thread."""

LEAST_FREE = 64 * 2**20
"""Bytes that a session writes in any case: logs, and a store of objects where shared memory is short."""

ENVIRONMENT = {
    # Tune trains each trial in a new thread, for which glibc would open a new arena: 10 MB a trial were lost.
    "MALLOC_ARENA_MAX": "1",
    "RAY_worker_niceness": "0",  # Ray's default of 15 starves trials on a machine that others use
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a frame whatever the verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's lets fit() return as if all were done; ours does not
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped training may need a moment to leave its thread
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is never restored
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
"""What Ray and Tune read from the environment."""

GPU_DEVICES = ("nvidiactl", "kfd", "dxg")
"""Below /dev: through which a program reaches GPUs of NVIDIA, of AMD, and of either within Windows."""

LEVELS = {
    "ray": logging.ERROR,
    "ray.tune": logging.CRITICAL,
    "ray.tune.execution.insufficient_resources_manager": logging.WARNING,
}
"""What Ray and Tune may log: that nothing can start for lack of resources, as a run would wait for ever."""


@dataclass(frozen=True)
class Share:
    """What each trial gets, and how many run at once."""

    concurrency: int
    cpus_per_trial: int
    gpus_per_trial: float


def share(resources: ResourceParams, of_a_trial: TaskResources, cpus: int, gpus: float) -> Share:
    """Divide a machine, or a cluster, among trials.

    Examples
    --------
    >>> share(ResourceParams(), TaskResources(threads=2), cpus=9, gpus=0)
    Share(concurrency=4, cpus_per_trial=2, gpus_per_trial=0.0)
    >>> share(ResourceParams(gpus_per_trial=0.5), TaskResources(), cpus=16, gpus=2).concurrency
    4
    >>> share(ResourceParams(), TaskResources(threads=2, processes=4), cpus=32, gpus=8)
    Share(concurrency=2, cpus_per_trial=8, gpus_per_trial=4.0)

    Raises
    ------
    ConfigurationError
        If a trial is to get more GPUs than there are.
    """
    wanted = resources.gpus_per_trial
    gpus_per_trial = float(of_a_trial.processes if gpus else 0) if wanted == "auto" else float(wanted)
    per_trial = of_a_trial.cpus
    if gpus_per_trial > gpus:
        raise ConfigurationError(
            f"resources.gpus_per_trial: {gpus_per_trial:g} of {gpus:g} GPUs; use auto or 0"
        )
    if resources.concurrency != "auto":
        return Share(resources.concurrency, per_trial, gpus_per_trial)
    room = cpus // per_trial
    if gpus_per_trial:
        room = min(room, math.floor(gpus / gpus_per_trial + 1e-9))
    return Share(max(1, room), per_trial, gpus_per_trial)


@contextmanager
def ray_session(
    state_dir: Path, resources: ResourceParams, of_a_trial: TaskResources = ONE
) -> Iterator[Share]:
    """Start Ray here, or attach to the cluster that RAY_ADDRESS names; yield what each trial gets.

    A session that the caller has begun already is used and left running.
    """
    with ExitStack() as stack:
        stack.enter_context(_settings())
        if not ray.is_initialized():
            _begin(stack, state_dir, resources, of_a_trial)
        total = ray.cluster_resources()
        yield share(resources, of_a_trial, int(total.get("CPU", 1)), total.get("GPU", 0.0))


@contextmanager
def _settings() -> Iterator[None]:
    """Set what Ray reads from the environment, and quieten it; afterwards all is as before."""
    own = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    own[PATH_VARIABLE] = import_path()
    before = {name: os.environ.get(name) for name in own}
    levels = {name: logging.getLogger(name).level for name in LEVELS}
    os.environ.update(own)
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _own_token() -> None:
    """Give Ray's daemons a token of this process: Ray would write one into the home folder."""
    if not os.environ.keys() & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # stays: Ray reads it once per process


def _begin(stack: ExitStack, state_dir: Path, resources: ResourceParams, of_a_trial: TaskResources) -> None:
    """Attach to a cluster or start Ray here; the stack ends it."""
    refuse_another(Path.cwd())
    cluster = cluster_address()
    if cluster is not None:
        stack.callback(ray.shutdown)
        _attach(cluster)
        return
    gpus = _n_gpus()
    yours = share(resources, of_a_trial, usable_cpus(), gpus)
    folder = stack.enter_context(session_folder(state_dir))
    stack.callback(ray.shutdown)
    try:
        with logged_out():
            _start(yours, folder, gpus)
    except Exception as error:
        refused_by_storage = refusal(error, folder) or _too_full(folder)
        if refused_by_storage is None:
            raise
        raise refused_by_storage from error


def _attach(cluster: str) -> None:
    path = import_path(others="${PYTHONPATH}")  # each node's own
    settings = {"env_vars": {**ENVIRONMENT, PATH_VARIABLE: path}}
    try:
        ray.init(cluster, log_to_driver=False, logging_level=logging.ERROR, runtime_env=settings)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise refused(error) from error


def _n_gpus() -> int:
    """Return how many GPUs PyTorch would use; it is only loaded, for seconds, where there may be one."""
    if not any(Path("/dev", name).exists() for name in GPU_DEVICES):
        return 0
    import torch

    return torch.cuda.device_count()


def _too_full(folder: Path) -> StorageError | None:
    """Return an error if the disk is full: Ray's daemons die of that without a message."""
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE:
        return None
    return StorageError(
        f"{folder}: Ray cannot start with {free / 2**20:.0f} MiB free on this disk; make room, or set TMPDIR "
        "to a folder elsewhere"
    )


def _start(yours: Share, temporary: Path, gpus: int) -> None:
    _own_token()
    ray.init(
        address="local",
        num_cpus=yours.concurrency * yours.cpus_per_trial,
        num_gpus=gpus,
        object_store_memory=128 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(temporary),
    )
