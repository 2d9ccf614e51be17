"""Event stores as Lightning sees them: batches of PyG graphs without edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from torch_geometric.data import Data

from mlpf_hpo.events.batches import ElementBatches, EpochSampler, joined
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.space import stable_hash


class EventDataset(Dataset[Data]):
    """Events of a store as PyG `Data`: x [N, 12], y [N, 7]; nothing is copied until batching."""

    def __init__(self, store: EventStore) -> None:
        self.store = store

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.store)

    def __getitem__(self, index: int) -> Data:
        """Return an event."""
        event = self.store[index]
        x, y = torch.from_numpy(event.features), torch.from_numpy(event.targets)
        return Data(x=x, y=y, num_nodes=len(event))


def event_loader(store: EventStore, **batching: Any) -> DataLoader[Any]:
    """Return batches of a store's events, see `joined`; `batching` as PyTorch's `DataLoader` takes it.

    Without worker processes: to read a batch takes less time than to receive it (`benchmarks/events.py`).
    """
    return DataLoader(store, collate_fn=joined, **batching)  # type: ignore[arg-type] # has what a Dataset has


class EventDataModule(pl.LightningDataModule):
    """Training and validation events.

    Parameters
    ----------
    train, validation : path
        Event stores.
    batch_events : int
        Events per batch.
    seed : int
        Decides the order of the training events.
    batch_elements : int, optional
        Most elements of a batch, instead of a number of events; see `ElementBatches`.
    """

    def __init__(
        self, train: Path, validation: Path, batch_events: int, seed: int, batch_elements: int | None = None
    ) -> None:
        super().__init__()
        self.train_path, self.validation_path = train, validation
        self.batch_events, self.batch_elements = batch_events, batch_elements
        self.seed = seed

    def setup(self, stage: str | None = None) -> None:
        """Open the stores."""
        self.train_store = EventStore.open(self.train_path)
        self.validation_store = EventStore.open(self.validation_path)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the shuffled training batches."""
        return self._loader(self.train_store, EpochSampler(len(self.train_store), self.seed))

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, always in the same order."""
        return self._loader(self.validation_store, SequentialSampler(self.validation_store))

    def _loader(self, store: EventStore, order: EpochSampler | SequentialSampler) -> DataLoader[Any]:
        if self.batch_elements is None:
            return event_loader(store, batch_size=self.batch_events, sampler=order)
        rank, n_ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches = ElementBatches(order, store.element_counts, self.batch_elements, rank, n_ranks)
        return event_loader(store, batch_sampler=batches)


def sample_digest(train: Path, validation: Path) -> str:
    """Compare both stores with their checksums; return one digest of them: the data of a training.

    Whoever starts trainings calls this once: the trainings open the stores without reading them through.

    Raises
    ------
    MissingInputError, DataError
        If a store is not there, or damaged; the message names the file.
    """
    stores = [EventStore.open(train), EventStore.open(validation)]
    for store in stores:
        store.verify()
    return stable_hash([store.digest for store in stores], length=16)
