"""MLPF as a LightningModule: loss, optimiser, and the numbers of each epoch."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch_geometric.data import Batch

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.mlpf.blockwise import training_loss
from mlpf_hpo.mlpf.distributed import n_ranks, summed, summed_fields
from mlpf_hpo.mlpf.loss import TERMS, LossTerms, loss_counts, mlpf_loss
from mlpf_hpo.mlpf.network import MLPF, Predictions
from mlpf_hpo.mlpf.optimiser import AdamW
from mlpf_hpo.mlpf.physics import PhysicsCounts, physics_counts
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Configuration


class MLPFModule(pl.LightningModule):
    """Trains one configuration.

    Everything random is a function of (seed, epoch): the weights of the seed, the dropout masks of seed and
    epoch. A training that is resumed at the edge of an epoch therefore goes on to the same numbers.

    A step's loss is that of all its events together, sum of sums over sum of counts, whichever of the ranks
    and of the accumulated batches has them. Each rank draws dropout masks of its own.

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
        the validation events. An epoch's loss is sum of sums over sum of counts, over all ranks.

    Examples
    --------
    >>> from mlpf_hpo import MLPFModule
    >>> from mlpf_hpo.config import NetworkParams
    >>> configuration = {"lr": 1e-3, "weight_decay": 1e-4, "dropout": 0.1, "n_glayers_id": 1}
    >>> configuration |= {"n_glayers_reg": 1, "bin_size": 8, "output_dim": 8}
    >>> module = MLPFModule(configuration, NetworkParams(), seed=0)
    >>> type(module.configure_optimizers()).__name__, module.learning_rate
    ('AdamW', 0.001)
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
        self._accumulated = 1
        self._train: LossTerms | None = None
        self._validation: LossTerms | None = None
        self._physics: PhysicsCounts | None = None

    def forward(self, batch: Batch) -> Predictions:
        """Reconstruct a batch."""
        predictions: Predictions = self.network(batch.x, batch.ptr)
        return predictions

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with amsgrad, as the paper's trainings had."""
        return AdamW(self.parameters(), self.learning_rate, self.weight_decay)

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's sums."""
        self._train = self._validation = self._physics = None
        self._accumulated = self.trainer.accumulate_grad_batches

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return a batch's part of the loss of its step, times the number of parts.

        Lightning takes the mean over accumulated batches, DDP over ranks: that is then the step's gradient.

        Raises
        ------
        ConfigurationError
            If batches are accumulated that lack the counts of their whole step.
        """
        if batch_idx == 0:
            # Here and not when the epoch starts: data loaders draw from the generator in between, and a
            # resumed training makes fewer of them.
            of_rank = [self.global_rank] if self.global_rank else []
            torch.manual_seed(derive_seed(self.seed, "epoch", self.current_epoch, *of_rank))
        counts = loss_counts(batch.y[:, 0])
        of_step = summed(self._step_counts(batch, counts))
        loss, sums = training_loss(self.network, batch.x, batch.ptr, batch.y, of_step)
        self._train = _plus(self._train, LossTerms(sums, counts))
        return loss * (n_ranks() * self._accumulated)

    def _step_counts(self, batch: Batch, counts: Tensor) -> Tensor:
        """Return what this rank's part of the optimiser step counts, [7], of which its batch has `counts`."""
        if getattr(batch, "accumulated", 1) != self._accumulated:
            raise ConfigurationError(
                f"accumulate_grad_batches={self._accumulated}: the loss of a step is over what all its "
                "batches count, and these lack that; take them from an EventDataModule, and let the number "
                "be the same in every epoch"
            )
        return counts if self._accumulated == 1 else loss_counts(batch.step_pid)

    @torch.inference_mode()  # by itself Lightning, amid a training, would leave it at no_grad: a tenth slower
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count a batch of validation events."""
        predictions = self(batch)
        self._validation = _plus(self._validation, mlpf_loss(predictions, batch.y).detach())
        self._physics = _plus(self._physics, physics_counts(predictions, batch.y))

    def on_train_epoch_end(self) -> None:
        """Fill `epoch_metrics`; Lightning has validated by now."""
        metrics: dict[str, float] = {}
        for section, of_rank in (("train", self._train), ("val", self._validation)):
            if of_rank is not None:
                terms = summed_fields(of_rank)
                metrics[f"{section}/loss"] = float(terms.total)
                metrics.update(
                    {f"{section}/loss_{n}": float(v) for n, v in zip(TERMS, terms.means, strict=True)}
                )
        if self._physics is not None:
            physics = summed_fields(self._physics).metrics()
            metrics.update({f"val/{name}": value for name, value in physics.items()})
        self.epoch_metrics = metrics


def _plus(total: Any, more: Any) -> Any:
    return more if total is None else total + more
