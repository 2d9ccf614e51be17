"""What a trial's epoch takes on top of a bare loop over the same batches.

Lightning, the callbacks that measure and the report are on top; the checkpoint, which a bare loop would want
as well, is told apart. MLflow is not: the driver writes it, in another process, while the trial goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytorch_lightning as pl
from scipy.stats import bootstrap

from benchmarks.cases import CALM, LAPTOP, LAPTOP_CONFIGURATION, event_of
from benchmarks.clock import DEVICE, now
from mlpf_hpo.config import Params
from mlpf_hpo.events.datamodule import EventDataModule
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf import training
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.mlpf.throughput import ThroughputCallback
from mlpf_hpo.tuning.task import TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport

HOOKS = ("on_train_epoch_start", "on_train_batch_start", "on_train_batch_end", "on_train_epoch_end")
"""Of the callback that measures throughput."""

RESAMPLES, COVERAGE = 2000, 0.95
"""Of the interval of the median."""


def framework(quick: bool) -> dict[str, float]:
    """Compare epochs of a trial at the defaults of params.yaml with bare ones, in turns."""
    defaults = Params()
    sizes = {"train": defaults.events.train.events, "validation": defaults.events.validation.events}
    return shares(sizes, CALM, epochs=5 if quick else 100)


def shares(n_events: Mapping[str, int], elements: int, epochs: int) -> dict[str, float]:
    """Return what is added to a bare epoch, each as a share of it, the median of the pairs.

    A batch of the bare loop follows each one of the trial: what else the machine does hits both alike.

    Parameters
    ----------
    n_events : mapping
        Number of events of `train` and `validation`.
    elements : int
        Elements of an event.
    epochs : int
        Of the trial; the first one warms up.

    Returns
    -------
    dict
        `framework_overhead` with the ends of its interval, `framework.low` and `.high`; the same in
        `framework.milliseconds_per_batch`; what the callback that measures throughput has of it,
        `framework.throughput_share`; and `framework.checkpoint_share`.
    """
    found: list[tuple[float, float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        spec = _spec(Path(folder), n_events, elements)
        batches = sum(-(-n // spec.task.training.batch_events) for n in n_events.values())
        bare, measuring, writing = Stopwatch(), Stopwatch(), Stopwatch()
        turn = bare.timed(partial(next, bare_batches(spec)))
        other = pl.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_: turn(), on_validation_batch_end=lambda *_: turn()
        )
        for hook in HOOKS:
            timed = measuring.timed(getattr(ThroughputCallback, hook))
            patches.enter_context(mock.patch.object(ThroughputCallback, hook, timed))
        patches.enter_context(
            mock.patch.object(training, "save_checkpoint", writing.timed(training.save_checkpoint))
        )
        patches.enter_context(mock.patch.object(training, "_trainer", _with(other)))
        begun = now()

        def after(report: EpochReport) -> None:
            nonlocal begun
            alone, written = bare.taken(), writing.taken()
            taken = now() - begun - alone - written
            per_batch, measured = 1e3 * (taken - alone) / batches, measuring.taken()
            if report.epoch > 1:
                found.append((taken / alone - 1, per_batch, measured / alone, written / alone))
            begun = now()

        training.train_trial(spec, epochs, Path(folder, "checkpoints"), after)
    overheads, *others = (np.array(column) for column in zip(*found, strict=True))
    interval = bootstrap(
        (overheads,), np.median, n_resamples=RESAMPLES, confidence_level=COVERAGE, method="percentile", rng=1
    ).confidence_interval
    per_batch, throughput, checkpoint = (float(np.median(column)) for column in others)
    return {
        "framework_overhead": float(np.median(overheads)),
        "framework.low": float(interval.low),
        "framework.high": float(interval.high),
        "framework.milliseconds_per_batch": per_batch,
        "framework.throughput_share": throughput,
        "framework.checkpoint_share": checkpoint,
    }


def _with(callback: pl.Callback) -> Callable[..., pl.Trainer]:
    plain = training._trainer

    def trainer(precision: Any, max_epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
        return plain(precision, max_epochs, [*callbacks, callback])

    return trainer


class Stopwatch:
    """What calls of some functions took together."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same on this clock."""

        def on_the_clock(*arguments: Any) -> Any:
            begin = now()
            try:
                return function(*arguments)
            finally:
                self._seconds += now() - begin

        return on_the_clock

    def taken(self) -> float:
        """Return the seconds since the last time that this was asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


def bare_batches(spec: TrialSpec[MLPFTask]) -> Iterator[None]:
    """Go through epochs without a framework, a batch at a time: training, validation, the epoch's numbers."""
    task = spec.task
    module = MLPFModule(spec.configuration, task.network, spec.seed).to(DEVICE)
    optimiser = module.configure_optimizers()
    events = EventDataModule(task.train_store, task.validation_store, task.training.batch_events, spec.seed)
    events.setup()
    training, validation = events.train_dataloader(), events.val_dataloader()
    while True:
        module.train()
        for batch in training:
            optimiser.zero_grad()
            module.training_step(batch.to(DEVICE), 1).backward()
            optimiser.step()
            yield
        module.eval()
        for number, batch in enumerate(validation, start=1):
            module.validation_step(batch.to(DEVICE), number)
            if number == len(validation):
                module.on_train_epoch_end()
            yield


def _spec(folder: Path, n_events: Mapping[str, int], elements: int) -> TrialSpec[MLPFTask]:
    for name, n in n_events.items():
        write_store(folder / name, [event_of(elements, number) for number in range(n)], {})
    task = MLPFTask(folder / "train", folder / "validation", "made up", LAPTOP, Params().training)
    return TrialSpec("benchmark", LAPTOP_CONFIGURATION, 1, task)
