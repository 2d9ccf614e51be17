"""One training by several processes of this machine (DDP): they are started, watched and ended here.

The calling process neither trains nor loads PyTorch: it passes the reports of the first process on, and ends
all of them when one is gone, because the others would wait for it.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpf_hpo.collector import collector_paused
from mlpf_hpo.errors import MlpfHpoError, one_line
from mlpf_hpo.events.workers import end_with_caller
from mlpf_hpo.process_start import uninterrupted_start
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd, WorkerDied

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from mlpf_hpo.mlpf.task import MLPFTask
    from mlpf_hpo.tuning.task import TrialSpec

CAUSE_SECONDS = 2.0
"""Within which a process that was killed has ended, once another one broke off because of that."""


def train_together(
    spec: TrialSpec[MLPFTask],
    max_epochs: int,
    checkpoint_dir: Path,
    on_epoch: Callable[[EpochReport], None],
) -> TrialEnd:
    """Train a trial in `spec.task.processes` processes, see `train_trial`.

    Raises
    ------
    WorkerDied
        If one of the processes was killed or crashed; all are ended.
    Exception
        What the training raised in one of them.
    """
    with _processes(spec, max_epochs, checkpoint_dir) as (processes, connections):
        ends: dict[int, TrialEnd] = {}
        while len(ends) < len(processes):
            open_ones = [connection for rank, connection in enumerate(connections) if rank not in ends]
            for connection in wait(open_ones):
                rank = connections.index(connection)  # type: ignore[arg-type]
                message = _received(connections[rank])
                if isinstance(message, TrialEnd):
                    ends[rank] = message
                elif isinstance(message, EpochReport):
                    on_epoch(message)
                    with suppress(OSError):  # it was killed: the next message says so
                        connections[rank].send(None)
                else:
                    raise _cause(message, processes)
        return ends[0]


def _received(connection: Connection) -> Any:
    """Return the next message of a process, None if it is gone."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def _cause(message: Exception | None, processes: Sequence[SpawnProcess]) -> Exception:
    """Return why a training ended: what broke off first may only have lost another process."""
    if isinstance(message, MlpfHpoError):
        return message
    wait([process.sentinel for process in processes], CAUSE_SECONDS)
    for number, process in enumerate(processes, start=1):
        if process.exitcode:
            ended = f"by signal {-process.exitcode}" if process.exitcode < 0 else "by itself"
            return WorkerDied(
                f"process {number} of {len(processes)} was ended {ended}, perhaps for memory, or crashed"
            )
    return message or WorkerDied(f"one of {len(processes)} processes ended without a message")


@contextmanager
def _processes(
    spec: TrialSpec[MLPFTask], max_epochs: int, checkpoint_dir: Path
) -> Iterator[tuple[list[SpawnProcess], list[Connection]]]:
    """Start the processes, and end them after the block."""
    # Fresh ones: a fork would copy the locks of whatever threads the caller has.
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    connections: list[Connection] = []
    with tempfile.TemporaryDirectory(prefix="mlpf-ddp-", ignore_cleanup_errors=True) as folder:
        try:
            for rank in range(spec.task.processes):
                ours, theirs = context.Pipe()
                arguments = rank, Path(folder), theirs, spec, max_epochs, checkpoint_dir
                process = context.Process(target=_train, args=arguments, daemon=True)
                with uninterrupted_start():
                    process.start()
                    processes.append(process)
                    connections.append(ours)
                theirs.close()  # so that ours ends with the process
            yield processes, connections
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
            for connection in connections:
                connection.close()


def _train(
    rank: int,
    folder: Path,
    connection: Connection,
    spec: TrialSpec[MLPFTask],
    max_epochs: int,
    checkpoint_dir: Path,
) -> None:
    """Train in one of the processes, and send what became of it."""
    end_with_caller(folder)

    def report(done: EpochReport) -> None:
        if rank == 0:
            connection.send(done)
            connection.recv()  # the driver has decided

    try:
        with collector_paused():
            from mlpf_hpo.mlpf.distributed import join
            from mlpf_hpo.mlpf.training import train_trial

        join(rank, spec.task.processes, folder / "rendezvous")
        connection.send(train_trial(spec, max_epochs, checkpoint_dir, report))
    except Exception as error:
        connection.send(error if _survives_pickling(error) else RuntimeError(one_line(error)))
    # The caller ends all processes at once: the first to leave would break the connections of the others.
    with suppress(EOFError, OSError):
        connection.recv()


def _survives_pickling(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    except Exception:  # a class of somebody else's may break in any way
        return False
    return True
