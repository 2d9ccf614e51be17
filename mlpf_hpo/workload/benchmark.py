"""The benchmark: a workload, by default a fixed configuration trained, on fixed events in N copies at once.

Score = sum over copies of the median events per second of training steps, over the epochs after warm-up.

Exit statuses: 0 good; 1 to 63 the number of failed copies (63: so many or more); 64 an option or parameter
cannot be used; 65 damaged data, or results that cannot be written; 66 no events; 130 interrupted.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.errors import BusyError, ConfigurationError, DataError, MissingInputError, MlpfHpoError
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.files import storage_error, write_json
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.mlpf.native.kernels import kernels_in_use
from mlpf_hpo.settings.validation import validated
from mlpf_hpo.workload.copies import CopyMessage, overlap, processors_of_copies, run_copies
from mlpf_hpo.workload.devices import gpus_of_copies, workload_and_device
from mlpf_hpo.workload.measurements import EVENTS, BenchmarkRecorder, measurements
from mlpf_hpo.workload.report import REPORT_FILE, app_info, scores, write_report
from mlpf_hpo.workload.results_folder import alone_in
from mlpf_hpo.workload.workloads import WORKLOADS

SEED = 1

WARM_UP_EPOCHS = 1
STALL_SECONDS = 1800.0
ROOFLINE_SECONDS = 0.5
VALIDATION_EVENTS = 1
"""A single one, outside the clock: the benchmark measures training steps."""

MAX_FAILED = 63
ERROR_STATUS: dict[type[MlpfHpoError], int] = {
    ConfigurationError: 64,
    DataError: 65,
    BusyError: 65,
    MissingInputError: 66,
}
"""As in sysexits.h, above every number of failed copies."""

Mop = Literal["none", "custom", "all"]
"""What goes at the end: nothing; nothing either (checkpoints are never kept); folders of good copies."""


@dataclass(frozen=True)
class BenchmarkResult:
    """Content and path of the report, and the exit status.

    The status is 0, or the number of failed copies (at most 63). Too little overlap fails all of them: none
    was measured under full load.
    """

    report: dict[str, Any]
    path: Path
    exit_status: int


def run_benchmark(
    events: Path,
    results_dir: Path,
    *,
    copies: int,
    threads: int,
    events_per_thread: int,
    epochs: int,
    batch_size: int,
    network: NetworkParams,
    workload: str | None = None,
    device: str | None = None,
    precision: str = "32",
    seed: int = SEED,
    minimum_overlap: float = 0.5,
    repeat_events: bool = False,
    debug: bool = False,
    mop: Mop = "none",
    extra_arguments: str = "",
    on_message: Callable[[CopyMessage], None] | None = None,
) -> BenchmarkResult:
    """Run N copies and write their report.

    Parameters
    ----------
    events : path
        Event store; every copy trains on its first `events_per_thread * threads` events.
    results_dir : path
        Folder for the report and `proc_<i>/`; those of an earlier run are removed.
    copies, threads, events_per_thread, epochs, batch_size
        Size of the run; the first epoch is warm-up.
    network : NetworkParams
        Widths of MLPF.
    workload : str, optional
        What copies do: a name in `WORKLOADS`, and the key of the score; by default training on the device.
    device : str, optional
        ``"cpu"``, ``"gpu"`` (copies take turns on the GPUs) or ``"gpu-0"`` (all on that one); by default
        what the workload measures.
    precision : str
        As in `TrainingParams`.
    seed : int
        Of weights, dropout and order, the same in every copy.
    minimum_overlap : float
        Least share of the time in which all copies measure at once.
    repeat_events : bool
        Whether events come round again where the store has too few. Otherwise that is an error.
    debug : bool
        Verbose logs in `proc_<i>/out.log`; nothing is mopped.
    mop : str
        What is removed at the end, see `Mop`; what a failed copy left stays.
    extra_arguments : str
        For the report: options that were handed on as one text.
    on_message : callable, optional
        Called with every message of a copy.

    Raises
    ------
    MlpfHpoError
        If the benchmark cannot start or its report not be written, with an `exit_status` of `ERROR_STATUS`.
    """
    with error_statuses(), alone_in(results_dir):
        workload, device = workload_and_device(workload, device)
        what = WORKLOADS[workload]
        store = EventStore.open(events)
        store.verify()
        training = _training(batch_size, threads, precision)
        n_events = events_per_thread * threads
        _check(store, copies, n_events, epochs, mop, repeat_events)
        gpus = gpus_of_copies(device, copies)
        _clear(results_dir)
        with tempfile.TemporaryDirectory() as scratch:
            job = _job(Path(scratch), store, n_events, network, training, epochs)
            job |= {"workload": workload, "configuration": dict(what.configuration)}
            job |= {"seed": seed, "device": device, "debug": debug}
            run = BenchmarkRecorder(copies, WARM_UP_EPOCHS, gpus, on_message)
            failures = _train(results_dir, Path(scratch), job, run, gpus)
        alive = [copy for i, copy in enumerate(run.copies) if i not in failures]
        shared = overlap([copy.window for copy in alive]) if alive else 0.0
        problems = [f"copy {i}: {reason}" for i, reason in sorted(failures.items())]
        status = len(failures)
        if alive and shared < minimum_overlap:
            problems.append(f"all measured together {shared:.0%} of the time, {minimum_overlap:.0%} needed")
            status = copies
        run_info: dict[str, Any] = {
            "copies": copies,
            "threads_per_copy": threads,
            "events_per_thread": events_per_thread,
            "extra_arguments": extra_arguments,
        }
        report = {
            "run_info": run_info,
            "report": {
                **scores([copy.median(EVENTS) for copy in alive], workload),
                "log": "ERROR " + "; ".join(problems) if problems else "ok",
            },
            "app": app_info(store.digest, what.description),
            "measurements": {
                "overlap": shared,
                "padding_ratio": what.padding_ratio(np.resize(store.element_counts, n_events)),
                **measurements(alive, threads, run.flop_per_event, on_gpu=bool(gpus)),
                **run.energy.to_record(n_events),
            },
            "hardware": {**describe_host().record(), "cpu_kernels": kernels_in_use()},
            "configuration": job["configuration"],
        }
        path = write_report(results_dir, report, {**run_info, "minimum_overlap": minimum_overlap, **job})
        if mop == "all" and not debug:
            for i in set(range(copies)) - set(failures):
                shutil.rmtree(results_dir / f"proc_{i}")
        return BenchmarkResult(report, path, min(status, MAX_FAILED))


@contextmanager
def error_statuses() -> Iterator[None]:
    """Give errors a status that is no number of failed copies, see `ERROR_STATUS`."""
    try:
        yield
    except MlpfHpoError as error:
        statuses = (status for kind, status in ERROR_STATUS.items() if isinstance(error, kind))
        error.exit_status = next(statuses, error.exit_status)
        raise
    except OSError as error:
        refused = storage_error(error)
        refused.exit_status = ERROR_STATUS[DataError]
        raise refused from error


def _training(batch_size: int, threads: int, precision: str) -> TrainingParams:
    values = {"batch_events": batch_size, "threads": threads, "precision": precision}
    return validated(TrainingParams, values, "benchmark")


def _check(store: EventStore, copies: int, n_events: int, epochs: int, mop: str, repeat_events: bool) -> None:
    if copies < 1 or n_events < 1:
        raise ConfigurationError(f"{copies} copies of {n_events} events: at least one of each is needed")
    if n_events > len(store) and not repeat_events:
        raise ConfigurationError(
            f"{store.path} has {len(store)} events, and benchmark.threads x benchmark.events_per_thread are "
            f"{n_events}; lower one of them, or generate more events"
        )
    if epochs <= WARM_UP_EPOCHS:
        raise ConfigurationError(f"{epochs} epoch(s): the first is warm-up, so that at least 2 are needed")
    if mop not in ("none", "custom", "all"):
        raise ConfigurationError(f"mop is none, custom or all, not {mop!r}")


def _clear(folder: Path) -> None:
    """Remove what an earlier run left: a report must never stand beside another run's copies."""
    for name in (REPORT_FILE, "version.json", "inputs.log"):
        (folder / name).unlink(missing_ok=True)
    for old in folder.glob("proc_*"):
        shutil.rmtree(old)


def _job(
    scratch: Path,
    store: EventStore,
    n_events: int,
    network: NetworkParams,
    training: TrainingParams,
    epochs: int,
) -> dict[str, Any]:
    """Return the job of every copy; the events to train on are written to a store of their own."""
    for name, count in (("train", n_events), ("validation", VALIDATION_EVENTS)):
        write_store(
            scratch / name,
            (store[i % len(store)] for i in range(count)),
            {"from": store.digest, "events": count},
        )
    return {
        "events": str(scratch / "train"),
        "validation": str(scratch / "validation"),
        "events_digest": store.digest,
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "epochs": epochs,
        "warm_up_epochs": WARM_UP_EPOCHS,
        "roofline_seconds": ROOFLINE_SECONDS,
    }


def _train(
    results_dir: Path, scratch: Path, job: dict[str, Any], run: BenchmarkRecorder, gpus: Sequence[str]
) -> dict[int, str]:
    """Run the copies; return which failed, and why."""
    folders = [results_dir / f"proc_{i}" for i in range(len(run.copies))]
    threads = str(job["training"]["threads"])
    environments = []
    # A copy that feeds a GPU waits for it most of the time, wherever it is.
    processors = [None] * len(folders) if gpus else processors_of_copies(len(folders), int(threads))
    for i, folder in enumerate(folders):
        own = {
            "processors": processors[i],
            "count_flop": i == 0,
            "checkpoints": str(scratch / f"checkpoints_{i}"),
        }
        write_json(folder / "job.json", {**job, **own})
        gpu = gpus[i] if gpus else ""
        environments.append(
            {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "CUDA_VISIBLE_DEVICES": gpu}
        )
    ends = run_copies(
        [sys.executable, "-m", "mlpf_hpo.workload.worker", "job.json"],
        folders,
        environments,
        stall_seconds=STALL_SECONDS,
        on_message=run.record_message,
        on_tick=run.energy.sample,
    )
    return {end.copy: end.failure for end in ends if end.failure is not None}


def summary(result: BenchmarkResult) -> str:
    """Return score, numbers of copies and threads, and path of the report as text."""
    report, run = result.report["report"], result.report["run_info"]
    ((key, score),) = report["wl-scores"].items()
    contended = ""
    if result.report["measurements"].get("contended"):
        contended = " (contended: the copies did not get their processors)"
    return (
        f"benchmark: {key} {score:.1f} events/s with {run['copies']} copies x {run['threads_per_copy']} "
        f"thread(s): {report['log']}{contended}\n  {result.path}"
    )
