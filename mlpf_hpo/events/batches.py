"""Batches of events: their order, which follows from seed and epoch, and their content."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch_geometric.data import Batch

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.schema import N_FEATURES, N_TARGETS, Event
from mlpf_hpo.seeds import derive_seed

_NO_FEATURES, _NO_TARGETS = np.empty((0, N_FEATURES), np.float32), np.empty((0, N_TARGETS), np.float32)


def joined(events: Sequence[Event]) -> Batch:
    """Return events as one PyG batch: x [sum N, 12], y [sum N, 7], and which event each row is of.

    `Batch.from_data_list` would make the same of a `Data` an event, in three times the time. Of no events it
    would make none; a rank gets such a batch where there are fewer events than ranks.
    """
    sizes = np.array([len(event) for event in events], dtype=np.int64)
    return Batch(
        x=torch.from_numpy(np.concatenate([_NO_FEATURES, *(event.features for event in events)])),
        y=torch.from_numpy(np.concatenate([_NO_TARGETS, *(event.targets for event in events)])),
        batch=torch.from_numpy(np.repeat(np.arange(len(events)), sizes)),
        ptr=torch.from_numpy(np.cumsum([0, *sizes])),
    )


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


class EventBatches(Sampler[list[int]]):
    """Batches of a number of events, each shared out among the ranks so that they have equal work.

    A batch is the same whatever the number of ranks. Where it has fewer events than there are ranks, some
    ranks get none of them, but a step all the same: all ranks have as many.

    `n_events` is that of a batch over all ranks; the other parameters are those of `ElementBatches`.
    """

    def __init__(
        self, sampler: Sampler[int], counts: IntArray, n_events: int, rank: int = 0, n_ranks: int = 1
    ) -> None:
        self.sampler = sampler
        self.n_events, self.rank, self.n_ranks = n_events, rank, n_ranks
        self._counts = counts.tolist()

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the event numbers of this rank's share of each batch."""
        order = list(self.sampler)
        for first in range(0, len(order), self.n_events):
            batch = order[first : first + self.n_events]
            largest_first = sorted(batch, key=lambda event: -self._counts[event])
            share = dealt(largest_first, self._counts, self.n_ranks)[self.rank]
            yield [event for event in batch if event in share]

    def __len__(self) -> int:
        """Return the number of batches."""
        return math.ceil(len(self._counts) / self.n_events)


class ElementBatches(Sampler[list[int]]):
    """Batches that hold a budget of elements, with equal work for every rank.

    Each event goes, in the sampler's order, to the batch with the fewest elements so far; those that come
    last go by size, so that small ones level the batches. Every event is in one batch of one rank, no batch
    exceeds the budget, and their number is the same in every epoch (Lightning asks for it once).

    Parameters
    ----------
    sampler : Sampler of int
        The order of the events; a Lightning trainer sets its epoch.
    counts : array [n], int
        Number of elements of each event.
    budget : int
        Most elements of a batch.
    rank, n_ranks : int
        Which of the processes that train together this is. Their trainer is made with
        ``use_distributed_sampler=False``.

    Raises
    ------
    ConfigurationError
        If the budget cannot be kept.
    """

    def __init__(
        self, sampler: Sampler[int], counts: IntArray, budget: int, rank: int = 0, n_ranks: int = 1
    ) -> None:
        self.sampler = sampler
        self.rank, self.n_ranks = rank, n_ranks
        # An event without elements counts as one: else a single batch would take all of them.
        self._counts = np.maximum(counts, 1).tolist()
        self._n_batches = number_of_batches(self._counts, budget, n_ranks)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the event numbers of each batch of this rank."""
        # A generator, which asks for the order with the first batch: Lightning makes iterators before it sets
        # the epoch.
        yield from self.of_all_ranks()[self.rank :: self.n_ranks]

    def __len__(self) -> int:
        """Return the number of batches of a rank."""
        return self._n_batches // self.n_ranks

    def of_all_ranks(self) -> list[list[int]]:
        """Return all batches of the sampler's epoch; those of a step stand together."""
        order = list(self.sampler)
        levelling = order[-self._n_batches :]
        levelling.sort(key=lambda event: -self._counts[event])
        return dealt([*order[: -self._n_batches], *levelling], self._counts, self._n_batches)


class AccumulatedBatches:
    """A loader that reads the batches of an optimiser step together, and hands them out one by one.

    The gradient of a step is that of its sums over its counts. Its first batch is differentiated before the
    last one is read, so each batch has the classes of its whole step, `batch.step_pid` [sum N], and the
    number of its batches, `batch.accumulated`. An epoch must not be cut short within a step; its last step
    has what is left.
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


def dealt(events: Iterable[int], counts: Sequence[int], n_shares: int) -> list[list[int]]:
    """Return events in shares: each event, in turn, goes to the share with the fewest elements so far.

    Examples
    --------
    >>> dealt([0, 1, 2, 3], counts=[9, 5, 3, 2], n_shares=2)
    [[0], [1, 2, 3]]
    """
    shares: list[list[int]] = [[] for _ in range(n_shares)]
    loads = [(0, i) for i in range(n_shares)]
    for event in events:
        load, i = loads[0]
        shares[i].append(event)
        heapq.heapreplace(loads, (load + counts[event], i))
    return shares


def number_of_batches(counts: Sequence[int], budget: int, n_ranks: int = 1) -> int:
    """Return the smallest number of batches that keeps the budget whatever the order of the events.

    An event lands on the batch with the fewest elements, at most the mean of what was there: with B batches,
    none exceeds (total - largest) / B + largest.

    Raises
    ------
    ConfigurationError
        If there is none that gives every rank as many.
    """
    n, largest = len(counts), max(counts)
    others = sum(counts) - largest
    most = n // n_ranks * n_ranks
    if most == 0:
        raise ConfigurationError(f"{n} events for {n_ranks} ranks: each needs at least one")
    if budget > largest:
        steps = math.ceil(others / (budget - largest) / n_ranks)
        if max(steps, 1) * n_ranks <= most:
            return max(steps, 1) * n_ranks
    if most == n and budget >= largest:
        return n  # every event is a batch
    enough = largest if most == n else math.ceil(others / most) + largest
    raise ConfigurationError(
        f"training.batch_elements: {budget} elements are too few for events of up to {largest} and {n_ranks} "
        f"rank(s); at least {enough} are needed"
    )
