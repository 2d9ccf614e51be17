"""A training in double precision that several processes may share, with the gradient of every step.

As a program, ``python -m tests.mlpf.shared_training FOLDER``, it is one of two processes; the environment
says which. It trains all of `CASES` and leaves `FOLDER/CASE-RANK.pt`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.events.datamodule import EventDataModule
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.throughput import ThroughputCallback

N_RANKS = 2

NETWORK = NetworkParams(
    embedding_dim=4, hash_columns=8, class_head=(6,), charge_head=(4,), regression_head=(5,)
)


@dataclass(frozen=True)
class Case:
    """What is trained, by two processes and by one in another number of parts with the same steps."""

    layers: int
    shared: dict[str, Any]
    alone: dict[str, Any]


FOUR = {"batch_events": 4}
CASES = {
    "no layers": Case(0, FOUR, FOUR),
    "two layers": Case(2, FOUR, FOUR),
    "accumulated": Case(1, {"batch_events": 2, "accumulated": 2}, FOUR),
    "by elements": Case(1, {"batch_elements": 100}, {"batch_elements": 100, "accumulated": N_RANKS}),
}


@dataclass
class Training:
    """What a process recorded: gradients [P] of steps, metrics of epochs, events of its batches."""

    gradients: list[Tensor] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    batch_events: list[int] = field(default_factory=list)


class Recorded(MLPFModule):
    """The project's module, in double precision and under observation."""

    def __init__(self, layers: int) -> None:
        sizes = {"n_glayers_id": layers, "n_glayers_reg": layers, "bin_size": 8, "output_dim": 8}
        super().__init__({**sizes, "lr": 1e-3, "weight_decay": 0.01, "dropout": 0.0}, NETWORK, seed=5)
        self.double()
        self.training_record = Training()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        batch.x, batch.y = batch.x.double(), batch.y.double()
        return batch

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Without a gradient a parameter would be one that DDP does not find.
        gradients = [parameter.grad.flatten() for parameter in self.parameters()]  # type: ignore[union-attr]
        self.training_record.gradients.append(torch.cat(gradients))

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.training_record.batch_events.append(batch.num_graphs)


class Keep(pl.Callback):
    """Keeps each epoch's metrics, once the module and the throughput callback have ended it."""

    def __init__(self, throughput: ThroughputCallback) -> None:
        self.throughput = throughput

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Recorded) -> None:
        self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Recorded) -> None:
        if pl_module.epoch_metrics:
            metrics = {**pl_module.epoch_metrics, **self.last_throughput}
            pl_module.training_record.epochs.append(metrics)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Recorded) -> None:
        self.last_throughput = self.throughput.epoch_metrics()


def train(
    folder: Path,
    layers: int,
    n_ranks: int,
    batch_events: int = 1,
    batch_elements: int | None = None,
    accumulated: int = 1,
) -> Training:
    """Train for two epochs on the stores `train` and `validation` in a folder."""
    module, throughput = Recorded(layers), ThroughputCallback()
    events = EventDataModule(folder / "train", folder / "validation", batch_events, 3, batch_elements)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=n_ranks,
        # Lightning's default: a parameter without a gradient is an error.
        strategy="auto" if n_ranks == 1 else DDPStrategy(find_unused_parameters=False),
        use_distributed_sampler=False,
        accumulate_grad_batches=accumulated,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[throughput, Keep(throughput)],
    )
    with torch.random.fork_rng(devices=[]):
        trainer.fit(module, datamodule=events)
    return module.training_record


def main(folder: Path) -> None:
    """Train every case as one of two processes."""
    torch.set_num_threads(1)
    for name, case in CASES.items():
        training = train(folder, case.layers, N_RANKS, **case.shared)
        rank = torch.distributed.get_rank()
        torch.save(asdict(training), folder / f"{name}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
