"""What is trained: the paper's widths on busy events, the laptop's on calm ones, ragged and padded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.clock import DEVICE, Step
from benchmarks.padded import PaddedMLPF, pad, padded_loss
from mlpf_hpo.config import NetworkParams
from mlpf_hpo.events.batches import joined
from mlpf_hpo.events.schema import N_CLASSES, N_FEATURES, TARGETS, TOWER, TRACK, Event
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.network import MLPF
from mlpf_hpo.workload.mlpf_training import CONFIGURATION

PAPER = NetworkParams(
    embedding_dim=128,
    hash_columns=512,
    class_head=(256, 128, 64, 32),
    charge_head=(256, 128),
    regression_head=(256, 128, 64),
)
"""Widths of the paper, as docs/scale.md has them."""

PAPER_CONFIGURATION = {**CONFIGURATION, "n_glayers_id": 3, "n_glayers_reg": 3, "output_dim": 256}
LAPTOP, LAPTOP_CONFIGURATION = NetworkParams(), CONFIGURATION

LONGEST = 6400
"""Slots to which the published training pads every event."""

SMALLEST, LARGEST = 3400, 6000
"""Elements of events with 200 pile-up collisions."""

CALM = 150
"""Elements of an event without pile-up."""

WITHOUT_TARGET = 0.034
"""Share of elements of busy events (docs/events.md)."""


def paper_module() -> MLPFModule:
    """Return the network at the paper's widths."""
    return MLPFModule(PAPER_CONFIGURATION, PAPER, seed=1)


def laptop_module() -> MLPFModule:
    """Return the network at the defaults of params.yaml."""
    return MLPFModule(LAPTOP_CONFIGURATION, LAPTOP, seed=1)


def mixed_sizes(n: int) -> list[int]:
    """Return sizes spread evenly over those of busy events."""
    return [int(SMALLEST + (LARGEST - SMALLEST) * (i + 0.5) / n) for i in range(n)]


def event_of(size: int, seed: int) -> Event:
    """Return a made-up event of just so many elements."""
    generator = np.random.default_rng([seed, size])
    features = generator.lognormal(size=(size, N_FEATURES)).astype(np.float32)
    features[:, 0] = generator.choice([TOWER, TRACK], size)
    targets = generator.lognormal(size=(size, len(TARGETS))).astype(np.float32)
    targets[:, 0] = generator.integers(1, N_CLASSES, size)
    targets[generator.random(size) < WITHOUT_TARGET] = 0
    return Event(features, targets, targets, seed, "ttbar", 200.0, None, None)


def batch_of(sizes: Sequence[int]) -> Batch:
    """Return a batch of made-up events of these sizes."""
    return joined([event_of(size, number) for number, size in enumerate(sizes)]).to(DEVICE)


def ragged_step(module: MLPFModule, batch: Batch) -> Step:
    """Return a whole training step of the project's network."""
    optimiser = module.to(DEVICE).train().configure_optimizers()

    def step() -> None:
        optimiser.zero_grad()
        module.training_step(batch, 1).backward()
        optimiser.step()

    return step


def padded_step(network: MLPF, batch: Batch, slots: int) -> Step:
    """Return a whole training step of the published way, with the same optimiser."""
    padded = PaddedMLPF(network).to(DEVICE).train()
    optimiser = torch.optim.AdamW(padded.parameters(), amsgrad=True, fused=True)
    x, y, mask = dense(batch, slots)

    def step() -> None:
        optimiser.zero_grad()
        padded_loss(padded(x, mask), y, mask).backward()
        optimiser.step()

    return step


def ragged_inference(network: MLPF, batch: Batch) -> Step:
    """Return a reconstruction by the project's network."""
    ready = network.to(DEVICE).eval()

    @torch.inference_mode()
    def reconstruct() -> None:
        ready(batch.x, batch.ptr)

    return reconstruct


def padded_inference(network: MLPF, batch: Batch, slots: int) -> Step:
    """Return a reconstruction in the published way."""
    padded = PaddedMLPF(network).to(DEVICE).eval()
    x, _, mask = dense(batch, slots)

    @torch.inference_mode()
    def reconstruct() -> None:
        padded(x, mask)

    return reconstruct


def dense(batch: Batch, slots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x, y and mask of a batch with each event padded to so many slots."""
    sizes = batch.ptr.diff().tolist()
    x, y = (pad(values.split(sizes), slots) for values in (batch.x, batch.y))
    return x, y, x[..., 0] > 0
