"""One trial: a configuration trained epoch by epoch, with a checkpoint and a report after each."""

from __future__ import annotations

import dataclasses
import gc
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.events.datamodule import EventDataModule
from mlpf_hpo.events.granularity import GRANULARITY, granularity_of
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.hardware.memory import keep_freed_memory
from mlpf_hpo.mlpf.distributed import devices, n_ranks
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.plain_files import PlainFiles
from mlpf_hpo.mlpf.task import MLPFTask
from mlpf_hpo.mlpf.throughput import ThroughputCallback
from mlpf_hpo.tuning.checkpoints import Checkpoint, newest_checkpoint, save_checkpoint
from mlpf_hpo.tuning.task import TrialSpec
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd

LOSSES = ("train/loss", "val/loss")
"""A training has diverged when one of these is no longer finite."""


def train_trial(
    spec: TrialSpec[MLPFTask],
    max_epochs: int,
    checkpoint_dir: Path,
    on_epoch: Callable[[EpochReport], None],
) -> TrialEnd:
    """Train a trial up to `max_epochs`, or go on from its newest checkpoint to the same numbers.

    After every epoch a checkpoint is written, then `on_epoch` is called; it may end the training by raising.
    A resumed training first reports the epochs of its checkpoint again, with their metrics and times.
    Sets the process's number of PyTorch threads, and keeps the memory that it frees.
    Processes that have joined (`distributed.join`) train it together: each of them calls this, and the first
    one writes the checkpoints.

    Raises
    ------
    ConfigurationError
        If this machine has not the precision.
    DataError
        If the checkpoints belong to another trial, or cannot be written.
    """
    task, training = spec.task, spec.task.training
    check_precision(training.precision)
    # Trainer and module hold each other: in a process that trains trial after trial, those of the last one
    # would take memory until Python's collector happens to come by. It looks through what was made since the
    # first trial, and not through all modules again, which would take a quarter of a second.
    if not gc.get_freeze_count():
        gc.freeze()
    gc.collect()
    keep_freed_memory()
    torch.set_num_threads(training.threads)
    checkpoint = newest_checkpoint(checkpoint_dir)
    history = [] if checkpoint is None else _history(checkpoint, spec)
    for report in history[:max_epochs]:
        on_epoch(report)
    if history and history[-1].diverged:
        return TrialEnd("diverged", history[-1].epoch)
    if len(history) >= max_epochs:
        return TrialEnd("finished", max_epochs)
    throughput = ThroughputCallback()
    reporter = _Reporter(spec, history, checkpoint_dir, throughput, on_epoch)
    events = EventDataModule(
        task.train_store, task.validation_store, training.batch_events, spec.seed, training.batch_elements
    )
    with _quiet(), _keyboard_interrupts():
        trainer = _trainer(training.precision, max_epochs, [throughput, reporter])
        trainer.fit(
            MLPFModule(spec.configuration, task.network, seed=spec.seed),
            datamodule=events,
            ckpt_path=None if checkpoint is None else str(checkpoint.path),
            weights_only=True,
        )
    last = reporter.history[-1]
    return TrialEnd("diverged" if last.diverged else "finished", last.epoch)


def check_precision(precision: str) -> None:
    """Refuse a precision that this machine has not.

    Raises
    ------
    ConfigurationError
        If it has not.
    """
    gpu = torch.cuda.is_available()
    # Lightning would train in bfloat16 instead, and only warn.
    if precision == "16-mixed" and not gpu:
        raise ConfigurationError(
            "training.precision: 16-mixed needs a GPU, and this machine offers none; use bf16-mixed or 32"
        )
    # PyTorch would compute in float32 and round: slower than 32, and no better.
    if precision == "bf16-mixed" and gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigurationError(
            f"training.precision: {torch.cuda.get_device_name()} has no bfloat16; use 16-mixed or 32"
        )


class _Reporter(pl.callbacks.Checkpoint):
    """Completes the epoch's metrics, writes the checkpoint, reports: in this order, so no report is lost.

    A `Checkpoint` for Lightning, which calls those after the module's own `on_train_epoch_end`.
    """

    def __init__(
        self,
        spec: TrialSpec[MLPFTask],
        history: list[EpochReport],
        folder: Path,
        throughput: ThroughputCallback,
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        self.spec = spec
        self.trained_on = _sample(spec.task)
        self.history = list(history)
        self.folder = folder
        self.throughput = throughput
        self.on_epoch = on_epoch

    @property
    def state_key(self) -> str:
        return STATE_KEY

    def state_dict(self) -> dict[str, Any]:
        return {
            "trial_key": self.spec.key,
            # All that `trained.py` needs to build the network again.
            "configuration": dict(self.spec.configuration),
            **self.spec.task.constants,
            "seed": self.spec.seed,
            "trained_on": self.trained_on,
            "history": [dataclasses.asdict(report) for report in self.history],
        }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {
            **pl_module.epoch_metrics,  # type: ignore[dict-item]
            **self.throughput.epoch_metrics(),
            "train/learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "network/parameters": float(sum(p.numel() for p in pl_module.parameters())),
        }
        diverged = not all(math.isfinite(metrics[name]) for name in LOSSES)
        now_ms = int(time.time() * 1000)
        report = EpochReport(trainer.current_epoch + 1, metrics, now_ms, diverged)
        self.history.append(report)
        trainer.should_stop = trainer.should_stop or diverged
        if trainer.is_global_zero:
            save_checkpoint(self.folder, report.epoch, trainer.save_checkpoint)
        else:  # all processes gather what is in it; the first one writes it
            trainer.save_checkpoint(self.folder / "unwritten")
        self.on_epoch(report)


STATE_KEY = "mlpf_hpo.trial"
"""Under which a checkpoint keeps what was trained, and its history."""


def _history(checkpoint: Checkpoint, spec: TrialSpec[MLPFTask]) -> list[EpochReport]:
    try:
        state = checkpoint.content["callbacks"][STATE_KEY]
        key, history = state["trial_key"], [EpochReport(**report) for report in state["history"]]
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{checkpoint.path}: not a checkpoint of a trial ({error!r}); move it away") from None
    if key != spec.key:
        raise DataError(
            f"{checkpoint.path}: belongs to another trial ({key}, this one is {spec.key}); choose another "
            "folder, or move it away"
        )
    return history


def _sample(task: MLPFTask) -> dict[str, Any]:
    """Return what there is to say of the training events."""
    store = EventStore.open(task.train_store)
    sample = {name: store.manifest[name] for name in ("process", "n_events", "pileup")}
    return {**sample, "digest": store.digest, GRANULARITY: granularity_of(store.manifest["settings"])}


def _trainer(precision: Any, max_epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    together = n_ranks() > 1
    return pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices="auto" if together else 1,
        strategy=DDPStrategy(parallel_devices=devices()) if together else "auto",
        use_distributed_sampler=False,  # the batches are shared out already
        precision=precision,
        max_epochs=max_epochs,
        callbacks=callbacks,
        # Also within a Slurm job, where Lightning would look for its tasks.
        plugins=[LightningEnvironment(), PlainFiles()],
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice on what is chosen here on purpose."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _keyboard_interrupts() -> Iterator[None]:
    """Undo what Lightning makes of Ctrl-C: an exit with status 1, and a process deaf to the next one."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if in_main_thread and handler is not None:
            signal.signal(signal.SIGINT, handler)
