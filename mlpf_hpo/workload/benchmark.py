"""The benchmark: a fixed configuration trained on fixed events in N copies at once.

Score = sum over copies of the median events per second of training steps, over the epochs after warm-up.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.energy import Energy, RaplMeter
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.hardware.roofline import Roofline, measure_roofline
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.network import MLPF
from mlpf_hpo.workload.copies import CopyMessage, overlap, run_copies
from mlpf_hpo.workload.report import app_info, scores, write_report

CONFIGURATION = {
    "lr": 1e-3,
    "n_glayers_id": 2,
    "n_glayers_reg": 2,
    "dropout": 0.1,
    "bin_size": 32,
    "output_dim": 64,
    "weight_decay": 1e-4,
}
"""What every machine trains. Changing it makes scores incomparable: it is no parameter."""

SEED = 1

WARM_UP_EPOCHS = 1
CONTENDED_BELOW = 0.9
STALL_SECONDS = 600.0
MAX_EXIT_STATUS = 63
VALIDATION_EVENTS = 1
"""A single one, outside the clock: the benchmark measures training steps."""


@dataclass
class _Copy:
    """What one copy told."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    since: float | None = None

    @property
    def measured(self) -> list[dict[str, float]]:
        """The epochs after warm-up."""
        return self.epochs[WARM_UP_EPOCHS:]

    def median(self, name: str) -> float:
        """Return the median over measured epochs."""
        return statistics.median(epoch[name] for epoch in self.measured)

    @property
    def window(self) -> tuple[float, float]:
        """When it measured."""
        return (self.since or self.epochs[0]["now"], self.epochs[-1]["now"])


@dataclass(frozen=True)
class BenchmarkResult:
    """The outcome.

    Attributes
    ----------
    report : mapping
        Content of mlpf_summary.json.
    path : path
        That file.
    exit_status : int
        0, or the number of failed copies (at most 63).
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
    precision: str = "32",
    minimum_overlap: float = 0.5,
) -> BenchmarkResult:
    """Run N copies and write their report.

    Parameters
    ----------
    events : path
        Event store; the first `events_per_thread * threads` events are trained on.
    results_dir : path
        Folder for the report and `proc_<i>/`; replaced as a whole.
    copies, threads, events_per_thread, epochs, batch_size
        Size of the run; the first epoch is warm-up.
    network : NetworkParams
        Widths.
    precision : str
        As in `TrainingParams`.
    minimum_overlap : float
        Least share of the time in which all copies measure at once.

    Raises
    ------
    ConfigurationError
        If there are fewer events than asked for, or too few epochs.
    """
    store = EventStore.open(events)
    n_events = events_per_thread * threads
    if n_events > len(store):
        raise ConfigurationError(
            f"{events} has {len(store)} events, {threads} thread(s) x {events_per_thread} events need "
            f"{n_events}; lower benchmark.events_per_thread, or generate more"
        )
    if epochs <= WARM_UP_EPOCHS:
        raise ConfigurationError(
            f"{epochs} epoch(s): the first is warm-up, at least {WARM_UP_EPOCHS + 1} needed"
        )
    training = TrainingParams.model_validate(
        {"batch_events": batch_size, "threads": threads, "precision": precision}
    )
    run_info = {"copies": copies, "threads_per_copy": threads, "events_per_thread": events_per_thread}
    _clear(results_dir)
    with tempfile.TemporaryDirectory() as scratch:
        job = _job(Path(scratch), store, n_events, network, training, epochs)
        roofline = measure_roofline()
        energy = RaplMeter()
        told, failures = _train(results_dir, Path(scratch), job, copies, energy)
    alive = [copy for i, copy in enumerate(told) if i not in failures and copy.measured]
    shared = overlap([copy.window for copy in alive]) if alive else 0.0
    problems = [f"copy {i}: {reason}" for i, reason in sorted(failures.items())]
    if alive and shared < minimum_overlap:
        problems.append(f"copies measured together {shared:.0%} of the time, less than {minimum_overlap:.0%}")
    rates = [copy.median("throughput/events_per_second") for copy in alive]
    report = {
        "run_info": run_info,
        "report": {**scores(rates), "log": "ERROR " + "; ".join(problems) if problems else "ok"},
        "app": app_info(store.digest),
        "measurements": {
            "overlap": shared,
            **_measurements(alive),
            **_against_the_machine(alive, roofline, flop_per_event(store, network), threads),
            **_energy(energy.read(), n_events * copies * epochs),
        },
        "hardware": describe_host().record(),
        "configuration": CONFIGURATION,
    }
    path = write_report(results_dir, report, {**run_info, **job})
    return BenchmarkResult(report, path, min(len(failures) or int(bool(problems)), MAX_EXIT_STATUS))


def flop_per_event(store: EventStore, network: NetworkParams, batch: int = 4) -> float:
    """Return floating-point operations of a training step per event, counted on real events.

    Forward and backward matrix products of the first `batch` events, by PyTorch's counter.
    """
    model = MLPF.configured(CONFIGURATION, network)
    events = [store[i] for i in range(min(batch, len(store)))]
    x = torch.cat([torch.from_numpy(event.features) for event in events])
    y = torch.cat([torch.from_numpy(event.targets) for event in events])
    ptr = torch.tensor([0, *map(len, events)]).cumsum(0)
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(mlpf_loss(model(x, ptr), y).total)
    return float(counter.get_total_flops()) / len(events)


def _clear(folder: Path) -> None:
    """Remove what an earlier run left: a report must never stand beside another run's copies."""
    for name in ("mlpf_summary.json", "version.json", "inputs.log"):
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
    """Return what every copy is told; the events it trains on are a store of their own."""
    for name, count in (("train", n_events), ("validation", VALIDATION_EVENTS)):
        write_store(scratch / name, (store[i] for i in range(count)), {"from": store.digest, "events": count})
    return {
        "configuration": CONFIGURATION,
        "seed": SEED,
        "events": str(scratch / "train"),
        "validation": str(scratch / "validation"),
        "events_digest": store.digest,
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "epochs": epochs,
    }


def _train(
    results_dir: Path, scratch: Path, job: dict[str, Any], copies: int, energy: RaplMeter
) -> tuple[list[_Copy], dict[int, str]]:
    """Run the copies; return what they told, and which failed and why."""
    folders = [results_dir / f"proc_{i}" for i in range(copies)]
    for i, folder in enumerate(folders):
        folder.mkdir(parents=True)
        write_json(folder / "job.json", {**job, "checkpoints": str(scratch / f"checkpoints_{i}")})
    told = [_Copy() for _ in folders]

    def hear(message: CopyMessage) -> None:
        content = dict(message.content)
        if "measuring_since" in content:
            told[message.copy].since = content["measuring_since"]
        else:
            told[message.copy].epochs.append(content)

    threads = str(job["training"]["threads"])
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    ends = run_copies(
        [sys.executable, "-m", "mlpf_hpo.workload.worker", "job.json"],
        folders,
        [environment] * copies,
        stall_seconds=STALL_SECONDS,
        on_message=hear,
        on_tick=energy.sample,
    )
    return told, {end.copy: end.failure for end in ends if end.failure is not None}


def _measurements(alive: Sequence[_Copy]) -> dict[str, Any]:
    """Return what was measured beside the score; nothing if no copy is left."""
    if not alive:
        return {}
    cpu = statistics.fmean(copy.median("system/cpu_fraction") for copy in alive)
    return {
        "elements_per_second": sum(copy.median("throughput/elements_per_second") for copy in alive),
        "cpu_fraction": cpu,
        "contended": cpu < CONTENDED_BELOW,
        "epochs_measured": len(alive[0].measured),
        "spread_over_epochs": _spread(alive),
        "padding_ratio": 1.0,
        "peak_memory_megabytes_per_copy": max(e["system/rss_megabytes"] for c in alive for e in c.epochs),
        "final_train_loss": alive[0].epochs[-1]["train/loss"],
    }


def _spread(alive: Sequence[_Copy]) -> float:
    """Return (fastest - slowest) / median epoch, the largest of all copies."""
    name = "throughput/events_per_second"
    ranges = [[epoch[name] for epoch in copy.measured] for copy in alive]
    return max((max(rates) - min(rates)) / statistics.median(rates) for rates in ranges)


def _against_the_machine(
    alive: Sequence[_Copy], roofline: Roofline, flop: float, threads: int
) -> dict[str, float]:
    """Return the rate of arithmetic beside what a matrix product and the memory reach in one process."""
    found = {
        "flop_per_event": flop,
        "gemm_peak_gflop_per_second": roofline.gemm_flops / 1e9,
        "memory_triad_gigabytes_per_second": roofline.triad_bytes_per_second / 1e9,
        "roofline_threads": float(roofline.threads),
    }
    if alive:
        rate = statistics.fmean(copy.median("throughput/events_per_second") for copy in alive)
        peak = roofline.gemm_flops * threads / roofline.threads
        found["fraction_of_gemm_peak"] = rate * flop / peak
    return found


def _energy(energy: Energy, n_events: int) -> dict[str, Any]:
    """Return joules per trained event, or null and the reason."""
    joules = None if energy.joules is None else energy.joules / n_events
    return {"joules_per_event": joules, "energy_source": energy.source, "energy_missing": energy.reason}


def summary(result: BenchmarkResult) -> str:
    """Return the outcome for people."""
    report, run = result.report["report"], result.report["run_info"]
    ((key, score),) = report["wl-scores"].items()
    contended = (
        " (contended: the copies did not get their processors)"
        if (result.report["measurements"].get("contended"))
        else ""
    )
    return (
        f"benchmark: {key} {score:.1f} events/s with {run['copies']} copies x {run['threads_per_copy']} "
        f"thread(s): {report['log']}{contended}\n  {result.path}"
    )
