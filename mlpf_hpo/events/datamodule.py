"""Batches of events for Lightning: PyG graphs without edges, in an order that follows from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset, Sampler
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from mlpf_hpo.events.store import EventStore
from mlpf_hpo.seeds import derive_seed
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


class EpochSampler(Sampler[int]):
    """A permutation of n events that depends on seed and epoch alone, never on what was drawn before."""

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield event numbers."""
        generator = np.random.default_rng(derive_seed(self.seed, "order", self.epoch))
        return iter(generator.permutation(self.n).tolist())

    def __len__(self) -> int:
        """Return the number of events."""
        return self.n


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
    """

    def __init__(self, train: Path, validation: Path, batch_events: int, seed: int) -> None:
        super().__init__()
        self.train_path, self.validation_path = train, validation
        self.batch_events = batch_events
        self.seed = seed

    def setup(self, stage: str | None = None) -> None:
        """Open the stores."""
        self.train_store = EventStore.open(self.train_path)
        self.validation_store = EventStore.open(self.validation_path)

    def train_dataloader(self) -> DataLoader:
        """Return the shuffled training batches."""
        dataset = EventDataset(self.train_store)
        sampler = EpochSampler(len(dataset), self.seed)
        return DataLoader(dataset, batch_size=self.batch_events, sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches, always in the same order."""
        return DataLoader(EventDataset(self.validation_store), batch_size=self.batch_events)


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
