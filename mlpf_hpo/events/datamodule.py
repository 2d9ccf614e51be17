"""Lightning data module of event stores: batches of PyG graphs without edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler
from torch_geometric.data import Data

from mlpf_hpo.events.batches import AccumulatedBatches, ElementBatches, EpochSampler, EventBatches, joined
from mlpf_hpo.events.store import EventStore


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

    The processes of a trainer share the events; it is made with ``use_distributed_sampler=False``, because
    Lightning's own sampler would give some events twice. With `batch_events` the batches, and so the curve,
    do not depend on the number of processes.

    Parameters
    ----------
    train, validation : path
        Event stores.
    batch_events : int
        Events per batch, over all processes.
    seed : int
        Decides the order of the training events.
    batch_elements : int, optional
        Most elements of a batch in one process, instead of a number of events; see `ElementBatches`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from mlpf_hpo import EventDataModule
    >>> from mlpf_hpo.events.schema import Event
    >>> from mlpf_hpo.events.store import write_store
    >>> nothing, elements, particles = np.zeros((0, 4)), np.zeros((3, 12)), np.zeros((3, 7))
    >>> arrays = [array.astype(np.float32) for array in (elements, particles, nothing, np.zeros(2))]
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("train", "validation"):
    ...         events = [Event(*arrays[:2], None, i, "qcd", 0.0, *arrays[2:]) for i in range(4)]
    ...         _ = write_store(Path(folder) / name, events, {})
    ...     stores = [Path(folder) / name for name in ("train", "validation")]
    ...     data = EventDataModule(*stores, batch_events=2, seed=0)
    ...     data.setup()
    ...     [batch.num_graphs for batch in data.train_dataloader()]
    [2, 2]
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

    def train_dataloader(self) -> DataLoader[Any] | AccumulatedBatches:
        """Return the shuffled training batches."""
        loader = self._loader(self.train_store, EpochSampler(len(self.train_store), self.seed))
        accumulated = self.trainer.accumulate_grad_batches if self.trainer else 1
        return loader if accumulated == 1 else AccumulatedBatches(loader, accumulated)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation batches, always in the same order."""
        return self._loader(self.validation_store, SequentialSampler(self.validation_store))

    def _loader(self, store: EventStore, order: Sampler[int]) -> DataLoader[Any]:
        ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        batches: Sampler[list[int]]
        if self.batch_elements is None:
            batches = EventBatches(order, store.element_counts, self.batch_events, *ranks)
        else:
            batches = ElementBatches(order, store.element_counts, self.batch_elements, *ranks)
        return event_loader(store, batch_sampler=batches)
