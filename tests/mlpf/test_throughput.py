"""Throughput counts real events and elements of training steps, and nothing else."""

from __future__ import annotations

import time

import pytest
import pytorch_lightning as pl
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.mlpf import throughput
from mlpf_hpo.mlpf.flop import training_flop
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.step_accounting import CONTENDED_BELOW
from mlpf_hpo.mlpf.throughput import ThroughputCallback

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
    return train_module(Slow(), [Data(x=torch.ones(n, 1), num_nodes=n) for n in sizes], batch_size)


def train_module(module: pl.LightningModule, events: list[Data], batch_size: int) -> list[dict[str, float]]:
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
    trainer.fit(module, DataLoader(events, batch_size=batch_size), DataLoader(events[:1], batch_size=1))
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
        assert 10 < metrics["system/rss_megabytes"] <= metrics["system/peak_rss_megabytes"] * 1.01
        assert not any(name.startswith("throughput/fraction") for name in metrics)  # not an MLPF


def test_an_epoch_of_one_batch_is_counted() -> None:
    (first, _) = train([3, 5], batch_size=2)
    assert first["throughput/events_per_second"] * first["time/train_seconds"] == pytest.approx(2)


def test_arithmetic_is_that_of_the_network_on_the_events_that_were_counted(
    make_batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "process_gemm_peak", lambda *what: {("cpu", "32"): 4e9}[what])
    point = {"lr": 1e-3, "n_glayers_id": 1, "n_glayers_reg": 1, "dropout": 0.0, "weight_decay": 0.0}
    module = MLPFModule({**point, "bin_size": 8, "output_dim": 8}, NetworkParams(), seed=1)
    sizes = [9, 4, 16, 3]
    events = []
    for size in sizes:
        x, _, y = make_batch([size], dtype=torch.float32)
        events.append(Data(x=x, y=y, num_nodes=size))
    (_, second) = train_module(module, events, batch_size=2)
    assert second["throughput/flop_per_event"] == training_flop(module.network, sizes) / 4
    assert second["throughput/padding_ratio"] == (16 + 8 + 16 + 8) / sum(sizes)
    rate = second["throughput/flop_per_event"] * second["throughput/events_per_second"]
    assert second["throughput/gflop_per_second"] == pytest.approx(rate / 1e9)
    assert second["throughput/fraction_of_gemm_peak"] == pytest.approx(rate / 4e9)
    assert 0 <= second["time/data_wait_share"] < 1
    assert second["system/contended"] == float(second["system/cpu_fraction"] < CONTENDED_BELOW)


@pytest.mark.parametrize("counters", [True, False])
def test_energy_is_per_event_where_there_are_counters(
    monkeypatch: pytest.MonkeyPatch, counters: bool
) -> None:
    monkeypatch.setattr(throughput.TrainingEnergy, "joules", lambda self: 6.0 if counters else None)
    (_, second) = train([3, 5, 7], batch_size=3)
    assert second.get("throughput/joules_per_event") == (2.0 if counters else None)
