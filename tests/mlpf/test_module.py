"""A training is a function of its seed, and an epoch's numbers are sums over counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.mlpf.loss import TERMS, mlpf_loss
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.physics import physics_counts

NETWORK = NetworkParams(
    embedding_dim=4, hash_columns=8, class_head=(6,), charge_head=(4,), regression_head=(5,)
)
POINT = {
    "lr": 1e-3,
    "n_glayers_id": 1,
    "n_glayers_reg": 1,
    "dropout": 0.3,
    "bin_size": 8,
    "output_dim": 8,
    "weight_decay": 0.01,
}


def made(seed: int = 5, **changed: float) -> MLPFModule:
    return MLPFModule({**POINT, **changed}, NETWORK, seed)


@pytest.fixture
def loader(make_batch):
    """Batches of unequal sizes, one of an event without a target."""
    events = []
    for i, size in enumerate([20, 3, 1, 12, 9]):
        x, _, y = make_batch([size], seed=i, no_target=[0] if i == 4 else [], dtype=torch.float32)
        events.append(Data(x=x, y=y, num_nodes=size))
    return DataLoader(events, batch_size=2)


class Record(pl.Callback):
    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    # Read where Lightning has ended the module's own epoch.
    def on_train_epoch_start(self, trainer: pl.Trainer, module: MLPFModule) -> None:
        self._keep(module)

    def on_train_end(self, trainer: pl.Trainer, module: MLPFModule) -> None:
        self._keep(module)

    def _keep(self, module: MLPFModule) -> None:
        if module.epoch_metrics:
            self.epochs.append(dict(module.epoch_metrics))


def trained(
    module: MLPFModule,
    loader: DataLoader,
    epochs: int = 2,
    save_to: Path | None = None,
    resume_from: Path | None = None,
) -> list[dict[str, float]]:
    record = Record()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[record],
    )
    with torch.random.fork_rng(devices=[]):
        trainer.fit(module, loader, loader, ckpt_path=resume_from)
    if save_to is not None:
        trainer.save_checkpoint(save_to)
    return record.epochs


def weights(module: MLPFModule) -> torch.Tensor:
    return torch.cat([value.flatten() for value in module.state_dict().values()])


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one = made()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(weights(one), weights(made()))
    assert not torch.equal(weights(one), weights(made(seed=6)))


def test_the_optimiser_is_that_of_the_paper() -> None:
    optimiser = made(lr=3e-4, weight_decay=0.05).configure_optimizers()
    assert isinstance(optimiser, torch.optim.AdamW)
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"], group["amsgrad"]) == (3e-4, 0.05, True)
    assert sum(len(g["params"]) for g in optimiser.param_groups) == len(list(made().parameters()))


def test_equal_trainings_are_equal_whatever_was_drawn_before(loader) -> None:
    one, other = made(), made()
    first = trained(one, loader)
    torch.rand(17)
    assert trained(other, loader) == first
    assert torch.equal(weights(one), weights(other))
    assert len(first) == 2
    assert first[0] != first[1]


def test_validation_numbers_are_sums_over_counts(loader) -> None:
    module = made()
    metrics = trained(module, loader, epochs=2)[-1]  # of its last epoch alone
    module.eval()
    terms = physics = None
    with torch.no_grad():
        for batch in loader:
            predictions = module(batch)
            more, counts = mlpf_loss(predictions, batch.y), physics_counts(predictions, batch.y)
            terms = more if terms is None else terms + more
            physics = counts if physics is None else physics + counts
    expected = {"val/loss": float(terms.total)}
    expected |= {f"val/loss_{name}": float(v) for name, v in zip(TERMS, terms.means, strict=True)}
    expected |= {f"val/{name}": v for name, v in physics.metrics().items()}
    assert {k: v for k, v in metrics.items() if k.startswith("val/")} == pytest.approx(expected, rel=1e-5)


def test_training_numbers_are_those_before_each_step(loader) -> None:
    """Without a learning rate nothing moves, and without dropout training equals validation."""
    metrics = trained(made(lr=0.0, dropout=0.0), loader, epochs=1)[-1]
    for name in ("loss", *(f"loss_{term}" for term in TERMS)):
        assert metrics[f"train/{name}"] == pytest.approx(metrics[f"val/{name}"], rel=1e-5)


def test_epochs_have_dropout_masks_of_their_own(loader) -> None:
    first, second = trained(made(lr=0.0), loader)
    assert first["val/loss"] == pytest.approx(second["val/loss"], rel=1e-6)
    assert first["train/loss"] != second["train/loss"]


def test_ranks_have_dropout_masks_of_their_own(loader) -> None:
    class OnRankOne(MLPFModule):
        global_rank = 1

    def loss(module: MLPFModule) -> float:
        with torch.random.fork_rng(devices=[]):
            return float(module.training_step(next(iter(loader)), 0).detach())

    of_rank_one = loss(OnRankOne(POINT, NETWORK, 5))
    assert loss(made()) == loss(made()) != of_rank_one == loss(OnRankOne(POINT, NETWORK, 5))


def test_training_lowers_the_loss(loader) -> None:
    epochs = trained(made(dropout=0.0, lr=3e-3), loader, epochs=8)
    assert epochs[-1]["val/loss"] < 0.9 * epochs[0]["val/loss"]


def test_a_resumed_training_goes_on_to_the_same_numbers(loader, tmp_path) -> None:
    """Dropout included: a checkpoint at the edge of an epoch, in a new trainer."""
    whole, begun, resumed = made(), made(), made()
    expected = trained(whole, loader, epochs=4)
    file = tmp_path / "edge.ckpt"
    before = trained(begun, loader, epochs=2, save_to=file)
    after = trained(resumed, loader, epochs=4, resume_from=file)
    assert before + after == expected
    assert torch.equal(weights(whole), weights(resumed))
