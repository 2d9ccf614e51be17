"""Throughput counts real events and elements of training steps, and nothing else."""

from __future__ import annotations

import time

import pytest
import pytorch_lightning as pl
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from mlpf_hpo.hardware.throughput import ThroughputCallback

STEP, VALIDATION = 0.02, 0.3


class Slow(pl.LightningModule):
    """Takes a known time per step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        time.sleep(STEP)
        return (self.weight * batch.x).sum()

    def validation_step(self, batch, batch_idx):
        time.sleep(VALIDATION)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


class Keep(pl.Callback):
    """Keeps the metrics of every epoch."""

    def __init__(self, throughput: ThroughputCallback) -> None:
        self.throughput, self.epochs = throughput, []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.epochs.append(self.throughput.epoch_metrics())


def train(sizes: list[int], batch_size: int) -> list[dict[str, float]]:
    events = [Data(x=torch.ones(n, 1), num_nodes=n) for n in sizes]
    callback = ThroughputCallback()
    keep = Keep(callback)
    trainer = pl.Trainer(
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[callback, keep],
        accelerator="cpu",
    )
    trainer.fit(Slow(), DataLoader(events, batch_size=batch_size), DataLoader(events[:1], batch_size=1))
    return keep.epochs


def test_counts() -> None:
    first, second = train([3, 5, 7, 9], batch_size=2)
    # The warm-up batch of the first epoch is left out: 2 events of 16 elements remain.
    rates = [
        (m["throughput/events_per_second"], m["throughput/elements_per_second"]) for m in (first, second)
    ]
    assert rates[0][1] / rates[0][0] == pytest.approx(16 / 2)
    assert rates[1][1] / rates[1][0] == pytest.approx(24 / 4)
    for metrics, n_events in ((first, 2), (second, 4)):
        counted = metrics["throughput/events_per_second"] * metrics["time/train_seconds"]
        assert counted == pytest.approx(n_events)


def test_validation_stands_outside_the_clock() -> None:
    for metrics in train([3, 5, 7, 9], batch_size=2):
        assert metrics["time/epoch_seconds"] - metrics["time/train_seconds"] > VALIDATION
        assert metrics["time/train_seconds"] >= STEP
        assert metrics["system/cpu_fraction"] < 1.5
        assert metrics["system/rss_megabytes"] > 10


def test_an_epoch_of_one_batch_is_counted() -> None:
    (first, _) = train([3, 5], batch_size=2)
    assert first["throughput/events_per_second"] * first["time/train_seconds"] == pytest.approx(2)
