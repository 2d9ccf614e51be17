"""What a second process brings: two with a thread each, against one with two threads, on the same batch.

Wall times, for the processes wait for each other: the machine must have nothing else to do.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch_geometric.data import Batch

from benchmarks import cases
from benchmarks.cases import event_of, mixed_sizes, paper_module
from benchmarks.clock import DEVICE, Step
from mlpf_hpo.events.batches import dealt, joined
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.module import MLPFModule

N_RANKS = 2
PATIENCE = timedelta(minutes=5)
"""How long a process waits for the other one, which may be gone."""


def ranks(quick: bool) -> dict[str, float]:
    """Compare a training step at the paper's widths; nothing is measured on a GPU."""
    if DEVICE != "cpu":
        return {}
    return {"ddp_efficiency": efficiency(mixed_sizes(2 if quick else 4), rounds=1 if quick else 5)}


def efficiency(sizes: Sequence[int], rounds: int) -> float:
    """Return the time of one process over that of two that share the events: 1 where sharing is for free."""
    with tempfile.TemporaryDirectory() as folder:
        # From a server that has only imported: the seconds of the imports are spent once for all ranks.
        multiprocessing.set_forkserver_preload([cases.__name__])
        arguments = (folder, list(sizes), rounds)
        torch.multiprocessing.start_processes(_rank, arguments, nprocs=N_RANKS, start_method="forkserver")
        return float(json.loads(Path(folder, "efficiency.json").read_text()))


class Loss(nn.Module):
    """A module's training step as PyTorch's DDP wants it: called, not by name."""

    def __init__(self, module: MLPFModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss."""
        return self.module.training_step(batch, 1)


def _rank(rank: int, folder: str, sizes: list[int], rounds: int) -> None:
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", meeting, PATIENCE, N_RANKS, rank)
    events = [event_of(size, number) for number, size in enumerate(sizes)]
    share = dealt(range(len(sizes)), sizes, N_RANKS)[rank]
    one, two = _alone(joined(events)), _together(joined([events[i] for i in share]))
    ratios = []
    for number in range(rounds + 1):
        dist.barrier()
        taken = _seconds(one, threads=N_RANKS) if rank == 0 else 0.0  # the other one sleeps
        dist.barrier()
        shared = _seconds(two, threads=1)
        if number:  # the first round warms up
            ratios.append(taken / shared)
    if rank == 0:
        Path(folder, "efficiency.json").write_text(json.dumps(statistics.median(ratios)))
    dist.destroy_process_group()


def _seconds(step: Step, threads: int) -> float:
    torch.set_num_threads(threads)
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _alone(batch: Batch) -> Step:
    module = paper_module()
    optimiser = module.configure_optimizers()

    def step() -> None:
        optimiser.zero_grad()
        mlpf_loss(module(batch), batch.y).total.backward()
        optimiser.step()

    return step


def _together(batch: Batch) -> Step:
    module = paper_module()
    loss = DistributedDataParallel(Loss(module))
    optimiser = module.configure_optimizers()

    def step() -> None:
        optimiser.zero_grad()
        loss(batch).backward()
        optimiser.step()

    return step
