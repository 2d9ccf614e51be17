"""Gradient accumulation: the batches of one optimiser step, each with the counts of the whole step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Batch


class AccumulatedBatches:
    """A loader that reads the batches of an optimiser step together, and hands them out one by one.

    The gradient of a step is that of its sums over its counts. Its first batch is differentiated before the
    last one is read, so each batch has the classes of its whole step, `batch.step_pid` [sum N], and the
    number of its batches, `batch.accumulated`. An epoch must not be cut short within a step.

    Parameters
    ----------
    loader : DataLoader
        The batches, in the order of the steps; its number of batches is that of an epoch.
    accumulated : int
        Batches per step. The last step of an epoch has what is left.
    """

    def __init__(self, loader: DataLoader[Batch], accumulated: int) -> None:
        self.loader = loader
        self.accumulated = accumulated
        self.batch_sampler = loader.batch_sampler  # a Lightning trainer sets the epoch of its sampler

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        batches = iter(self.loader)
        while step := list(islice(batches, self.accumulated)):
            pid = torch.cat([batch.y[:, 0] for batch in step])
            for batch in step:
                batch.step_pid, batch.accumulated = pid, self.accumulated
                yield batch
