"""MLPF as a LightningModule: loss, optimiser, and the numbers of each epoch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Batch

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.mlpf.loss import TERMS, LossTerms, mlpf_loss
from mlpf_hpo.mlpf.network import MLPF, Predictions
from mlpf_hpo.mlpf.physics import PhysicsCounts, physics_counts
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Configuration


class MLPFModule(pl.LightningModule):
    """Trains one configuration.

    Everything random is a function of (seed, epoch): the weights of the seed, the dropout masks of seed and
    epoch. A training that is resumed at the edge of an epoch therefore goes on to the same numbers.

    Parameters
    ----------
    configuration : mapping
        The seven hyperparameters of table 1.
    network : NetworkParams
        Widths that no trial changes.
    seed : int
        The trial's seed.

    Attributes
    ----------
    epoch_metrics : dict
        Numbers of the epoch that ended last: `train/loss`, `val/loss`, their terms, and physics metrics of
        the validation events. An epoch's loss is sum of sums over sum of counts.
    """

    def __init__(self, configuration: Configuration, network: NetworkParams, seed: int) -> None:
        super().__init__()
        self.learning_rate = float(configuration["lr"])
        self.weight_decay = float(configuration["weight_decay"])
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            self.network = MLPF.configured(configuration, network)
        self.epoch_metrics: dict[str, float] = {}
        self._train: LossTerms | None = None
        self._validation: LossTerms | None = None
        self._physics: PhysicsCounts | None = None

    def forward(self, batch: Batch) -> Predictions:
        """Reconstruct a batch."""
        predictions: Predictions = self.network(batch.x, batch.ptr)
        return predictions

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with amsgrad, as the paper's trainings had."""
        return torch.optim.AdamW(
            self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, amsgrad=True, fused=True
        )

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's sums."""
        self._train = self._validation = self._physics = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        if batch_idx == 0:
            # Here and not when the epoch starts: data loaders draw from the generator in between, and a
            # resumed training makes fewer of them.
            torch.manual_seed(derive_seed(self.seed, "epoch", self.current_epoch))
        terms = mlpf_loss(self(batch), batch.y)
        self._train = _plus(self._train, terms.detach())
        return terms.total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of validation events."""
        predictions = self(batch)
        self._validation = _plus(self._validation, mlpf_loss(predictions, batch.y).detach())
        self._physics = _plus(self._physics, physics_counts(predictions, batch.y))

    def on_train_epoch_end(self) -> None:
        """Fill `epoch_metrics`; Lightning has validated by now."""
        metrics: dict[str, float] = {}
        for section, terms in (("train", self._train), ("val", self._validation)):
            if terms is not None:
                metrics[f"{section}/loss"] = float(terms.total)
                metrics.update(
                    {f"{section}/loss_{n}": float(v) for n, v in zip(TERMS, terms.means, strict=True)}
                )
        if self._physics is not None:
            metrics.update({f"val/{name}": value for name, value in self._physics.metrics().items()})
        self.epoch_metrics = metrics


def _plus(total: Any, more: Any) -> Any:
    return more if total is None else total + more
