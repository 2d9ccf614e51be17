"""Batches: what they hold, and an order that follows from seed and epoch alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.events.batches import EpochSampler
from mlpf_hpo.events.datamodule import EventDataModule, EventDataset
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf.task import sample_digest

SIZES = (5, 1, 7, 3, 2, 6, 4, 8, 1, 9)


@pytest.fixture(scope="module")
def paths(make_event, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stores")
    write_store(folder / "train", [make_event(n, i) for i, n in enumerate(SIZES)], {})
    write_store(
        folder / "validation", [make_event(n, 50 + i, process="qcd") for i, n in enumerate((3, 1))], {}
    )
    return folder / "train", folder / "validation"


@pytest.fixture
def module(paths) -> EventDataModule:
    made = EventDataModule(*paths, batch_events=4, seed=1)
    made.setup()
    return made


def test_a_batch_is_its_events_one_after_the_other(module, make_event) -> None:
    first = next(iter(module.train_dataloader()))
    order = list(EpochSampler(len(SIZES), 1))[:4]
    expected = [make_event(SIZES[i], i) for i in order]
    assert first.num_graphs == 4
    assert first.num_nodes == sum(SIZES[i] for i in order)
    assert first.ptr.tolist() == np.cumsum([0, *(SIZES[i] for i in order)]).tolist()
    assert np.array_equal(first.x.numpy(), np.concatenate([event.features for event in expected]))
    assert np.array_equal(first.y.numpy(), np.concatenate([event.targets for event in expected]))
    assert first.x.dtype == first.y.dtype == torch.float32


def test_an_epoch_has_every_event_once(module) -> None:
    loader = module.train_dataloader()
    assert [batch.num_graphs for batch in loader] == [4, 4, 2]
    assert sum(batch.num_nodes for batch in loader) == sum(SIZES)


def test_validation_keeps_its_order(module, make_event) -> None:
    for _ in range(2):
        (batch,) = module.val_dataloader()
        assert np.array_equal(batch.x[:3].numpy(), make_event(3, 50).features)
        assert batch.ptr.tolist() == [0, 3, 4]


def test_nothing_is_copied_before_batching_and_nobody_warns(module) -> None:
    dataset = EventDataset(module.train_store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = dataset[2]
    event = module.train_store[2]
    assert event.features.flags.writeable  # else PyTorch would warn, once per process
    assert data.x.data_ptr() == event.features.ctypes.data
    assert data.y.data_ptr() == event.targets.ctypes.data
    assert data.num_nodes == 7


def test_a_budget_of_elements_instead_of_events(paths) -> None:
    made = EventDataModule(*paths, batch_events=1, seed=1, batch_elements=20)
    made.setup()
    train, validation = made.train_dataloader(), made.val_dataloader()
    assert sorted(size for batch in train for size in np.diff(batch.ptr)) == sorted(SIZES)
    assert len(train) == len(list(train)) > 2
    assert all(batch.num_nodes <= 20 for batch in train)
    (batch,) = validation
    assert batch.ptr.tolist() == [0, 3, 4]


@pytest.mark.parametrize("batch_elements", [None, 20])
def test_the_ranks_of_a_trainer_share_the_events(paths, batch_elements) -> None:
    sizes: list[int] = []
    for rank in range(2):
        made = EventDataModule(*paths, batch_events=3, seed=1, batch_elements=batch_elements)
        trainer = SimpleNamespace(global_rank=rank, world_size=2, accumulate_grad_batches=1)
        made.trainer = trainer  # type: ignore[assignment]
        made.setup()
        sizes.extend(size for batch in made.train_dataloader() for size in np.diff(batch.ptr))
    assert sorted(sizes) == sorted(SIZES)


def test_accumulated_batches_know_the_classes_of_their_step(paths) -> None:
    made = EventDataModule(*paths, batch_events=3, seed=1)
    made.setup()
    expected = list(made.train_dataloader())
    made.trainer = SimpleNamespace(global_rank=0, world_size=1, accumulate_grad_batches=3)  # type: ignore[assignment]
    loader = made.train_dataloader()
    assert isinstance(loader.batch_sampler.sampler, EpochSampler)  # of which Lightning sets the epoch
    batches = list(loader)
    assert len(loader) == len(batches) == len(expected) == 4
    for batch, plain in zip(batches, expected, strict=True):
        assert torch.equal(batch.x, plain.x)
    whole, rest = torch.cat([batch.y[:, 0] for batch in expected[:3]]), expected[3].y[:, 0]
    for batch, pid in zip(batches, [whole] * 3 + [rest], strict=True):
        assert torch.equal(batch.step_pid, pid)
        assert batch.accumulated == 3


def test_an_event_of_one_element(paths) -> None:
    made = EventDataModule(*paths, batch_events=1, seed=0)
    made.setup()
    batches = [batch for batch in made.train_dataloader() if batch.num_nodes == 1]
    assert len(batches) == 2
    assert all(batch.x.shape == (1, 12) and batch.ptr.tolist() == [0, 1] for batch in batches)


class Recorder(pl.LightningModule):
    """Trains nothing; writes down which events each epoch brought."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[int, list[float]] = {}

    def training_step(self, batch, batch_idx: int) -> torch.Tensor:
        firsts = batch.x[batch.ptr[:-1], 0].tolist()
        self.seen.setdefault(self.current_epoch, []).extend(firsts)
        return self.weight.sum()

    def validation_step(self, batch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("batch_elements", [None, 20])
def test_a_resumed_training_sees_the_order_of_an_uninterrupted_one(paths, tmp_path, batch_elements) -> None:
    def events() -> EventDataModule:
        return EventDataModule(*paths, batch_events=4, seed=7, batch_elements=batch_elements)

    def trainer(epochs: int) -> pl.Trainer:
        return pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    whole, begun, resumed = Recorder(), Recorder(), Recorder()
    trainer(4).fit(whole, datamodule=events())
    first = trainer(2)
    first.fit(begun, datamodule=events())
    first.save_checkpoint(tmp_path / "last.ckpt")
    torch.manual_seed(99)
    trainer(4).fit(
        resumed,
        datamodule=events(),
        ckpt_path=str(tmp_path / "last.ckpt"),
        weights_only=True,
    )
    assert sorted(whole.seen) == [0, 1, 2, 3]
    assert all(len(seen) == len(SIZES) for seen in whole.seen.values())
    assert len({tuple(order) for order in whole.seen.values()}) == 4
    assert {**begun.seen, **resumed.seen} == whole.seen
    assert sorted(resumed.seen) == [2, 3]


def test_the_digest_of_both_samples(paths, make_event, tmp_path) -> None:
    train, validation = paths
    assert sample_digest(train, validation) == sample_digest(train, validation)
    write_store(tmp_path / "other", [make_event(2)], {})
    digests = {
        sample_digest(train, validation),
        sample_digest(validation, train),
        sample_digest(train, tmp_path / "other"),
    }
    assert len(digests) == 3


def test_without_events_the_error_says_which_stage_makes_them(tmp_path) -> None:
    with pytest.raises(MissingInputError, match="stage `events`"):
        EventDataModule(tmp_path / "train", tmp_path / "validation", batch_events=2, seed=0).setup()
