"""Train trials under Ray Tune, in a session that is started here or attached to, and leaves no traces."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray
from ray import tune

import mlpf_hpo.tracking.client  # noqa: F401  (sets what keeps Ray from phoning)
from mlpf_hpo.errors import InterruptedStageError, StorageError, one_line
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.own_package import refuse_another
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.trial_state import TrialState
from mlpf_hpo.tracking.login import logged_out
from mlpf_hpo.tuning.attached_cluster import attached_cluster
from mlpf_hpo.tuning.bridge import Bridge
from mlpf_hpo.tuning.cluster_code import code_environment
from mlpf_hpo.tuning.cluster_nodes import live_nodes
from mlpf_hpo.tuning.driver import Recorder, log_only
from mlpf_hpo.tuning.interruption import interruptible
from mlpf_hpo.tuning.progress import Progress, progress_of
from mlpf_hpo.tuning.ray_adapter import BridgeCallback, BridgeScheduler, BridgeSearcher
from mlpf_hpo.tuning.ray_cluster import cluster_address, refused
from mlpf_hpo.tuning.ray_environment import ray_environment
from mlpf_hpo.tuning.ray_errors import memory_kills_as_deaths, refusal, start_failure
from mlpf_hpo.tuning.ray_folder import end_daemons, session_folder
from mlpf_hpo.tuning.ray_trial import TRIAL, ray_trial
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.shared_session import session_stack
from mlpf_hpo.tuning.shares import Share, share, share_of_nodes
from mlpf_hpo.tuning.task import Task, TaskResources, TrialSpec
from mlpf_hpo.tuning.time_limit import no_epoch_fits, time_is_up

ONE = TaskResources()
"""A trial of one process with one thread."""

LEAST_FREE = 64 * 2**20
"""Bytes that a session writes in any case: logs, and a store of objects where shared memory is short."""

MOST_PENDING = 10_000
"""So many trials Tune may wait to start: how many it gets, the bridge decides, by the room that there is."""

GPU_DEVICES = ("nvidiactl", "kfd", "dxg")
"""Below /dev: through which a program reaches GPUs of NVIDIA, of AMD, and of either within Windows."""


def train_left(
    specs: Sequence[TrialSpec[Task]],
    ledger: Ledger,
    recorder: Recorder | None,
    resources: ResourceParams,
    state: Path,
    checkpoints: Path,
    on_progress: Progress | None,
) -> None:
    """Train under Tune what the ledger has left; afterwards every run is closed, and Ray is down.

    Each trial has a folder in `checkpoints`. Without a recorder, runs stay as they are on record.
    """
    task = specs[0].task
    starting: set[str] = set()

    def report_progress() -> None:
        if on_progress is not None:
            on_progress(*progress_of(ledger, len(starting)))

    def kill_open(reason: str) -> None:
        if recorder is not None:
            recorder.kill_open(ledger.trials, reason)

    with interruptible() as interruption:
        try:
            report_progress()
            with ExitStack() as stack:
                share = stack.enter_context(ray_session(state, resources, task.resources, task))
                interruption.listen()  # again: Ray has put its own handler of SIGTERM in place
                most = None if resources.concurrency == "auto" else resources.concurrency
                each = share.cpus_per_trial, share.gpus_per_trial
                cluster = stack.enter_context(attached_cluster(task, state, checkpoints, *each, most))
                bridge = Bridge(
                    ledger,
                    recorder,
                    share.concurrency,
                    resources.epoch_timeout_seconds,
                    interruption,
                    report_progress,
                    cluster,
                    starting=starting,
                )
                _tune(specs, bridge, share, state / "ray" / f"tune-{os.getpid()}", checkpoints)
        except (KeyboardInterrupt, SystemExit):  # the latter by Ray's handler of SIGTERM, while Ray starts
            interruption.requested = True
        except Exception as error:
            with log_only("the trials' runs stay open in MLflow until the next start"):
                kill_open(one_line(error))
            raise
        kill_open("interrupted")
    left = [trial for trial in ledger.trials.values() if trial.state is not TrialState.ENDED]
    progress = f"{len(ledger.trials) - len(left)} of {len(ledger.trials)} trials are done"
    if interruption.requested:
        if interruption.draining and time_is_up() and recorder and not recorder.writer.epochs_logged:
            raise no_epoch_fits(sum(trial.ran_in_this_process for trial in left))
        raise InterruptedStageError(f"interrupted: {progress}; run it again to go on from there")
    if left:
        raise RuntimeError(f"Ray Tune ended although only {progress}")


def _tune(
    specs: Sequence[TrialSpec[Task]], bridge: Bridge, share: Share, storage: Path, checkpoints: Path
) -> None:
    """Run Tune until all trials have ended; raise what the scheduler or MLflow raised."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MOST_PENDING)
    trainable = tune.with_parameters(
        ray_trial,
        specs=specs,
        max_epochs=bridge.ledger.max_epochs,
        checkpoints=checkpoints,
        access=bridge.cluster and bridge.cluster.access,
    )
    try:
        storage.mkdir(parents=True, exist_ok=True)
        with memory_kills_as_deaths():
            tune.run(
                trainable,
                name="run",
                num_samples=-1,
                search_alg=BridgeSearcher(bridge),
                scheduler=BridgeScheduler(bridge),
                callbacks=[BridgeCallback(bridge)],
                resources_per_trial={"cpu": share.cpus_per_trial, "gpu": share.gpus_per_trial},
                storage_path=str(storage),
                trial_dirname_creator=lambda trial: str(trial.config[TRIAL]),
                reuse_actors=True,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except InterruptedStageError:
        return
    except Exception as error:
        refused = refusal(error, storage)
        if bridge.error is None and refused is not None:
            raise refused from error
        if bridge.error is None:
            raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        del os.environ["TUNE_MAX_PENDING_TRIALS_PG"]
    if bridge.error is not None:
        raise bridge.error


@contextmanager
def ray_session(
    state: Path, resources: ResourceParams, task_resources: TaskResources = ONE, task: Task | None = None
) -> Iterator[Share]:
    """Start Ray here, or attach to the cluster that RAY_ADDRESS names; yield what each trial gets.

    A session that the caller has begun already is used and left running; one within a block of
    `shared_session` ends with that. The code of `task` goes to the nodes of a cluster, beside this package.
    """
    with session_stack() as stack:
        stack.enter_context(ray_environment())
        if not ray.is_initialized():
            _begin(stack, state, resources, task_resources, task)
        yield share_of_nodes(resources, task_resources, [node.has for node in live_nodes()])


def _own_token() -> None:
    """Give Ray's daemons a token of this process: Ray would write one into the home folder."""
    if not os.environ.keys() & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # stays: Ray reads it once per process


def _begin(
    stack: ExitStack,
    state: Path,
    resources: ResourceParams,
    task_resources: TaskResources,
    task: Task | None,
) -> None:
    """Attach to a cluster or start Ray here; the stack ends it."""
    refuse_another(Path.cwd())
    cluster = cluster_address()
    if cluster is not None:
        stack.callback(ray.shutdown)
        _attach(cluster, task)
        return
    gpus = n_gpus()
    yours = share(resources, task_resources, usable_cpus(), gpus)
    folder = stack.enter_context(session_folder(state / "ray"))
    stack.callback(end_daemons, folder)
    stack.callback(ray.shutdown)
    try:
        with logged_out():
            _start(yours, folder, gpus)
    except Exception as error:
        cause = refusal(error, folder) or _too_full(folder) or start_failure(error, folder)
        if cause is None:
            raise
        raise cause from error


def _attach(cluster: str, task: Task | None) -> None:
    code = code_environment(task)
    try:
        ray.init(cluster, log_to_driver=False, logging_level=logging.ERROR, runtime_env=code)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise refused(error) from error


def n_gpus() -> int:
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
