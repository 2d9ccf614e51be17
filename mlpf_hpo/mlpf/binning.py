"""Ragged binning: elements that lie close in the embedding share a bin, and bins never cross events.

Each event is padded only to a multiple of the bin size, so that work grows with the elements that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from mlpf_hpo.errors import DataError


class Sizes(Protocol):
    """How many elements events have: what a layer needs to know of a batch."""

    def assign(self, embedding: Tensor, hyperplanes: Tensor) -> Bins:
        """Return the bins of elements at `embedding` [N, d]; `hyperplanes` is [d, h]."""
        ...


@dataclass(frozen=True)
class EventSizes:
    """What the events of a batch have in common with every layer: computed once per batch.

    Attributes
    ----------
    event : tensor [N], int64
        Event of each element.
    slot : tensor [N], int64
        Slot of the i-th element, bin x bin_size + place in the bin, in any order that keeps events together.
    mask : tensor [n_bins, bin_size], bool
        Which slots hold an element.
    n_hyperplanes : tensor [B], int64
        Hash columns that each event uses, half as many as bins; an event of one bin needs none.
    """

    event: Tensor
    slot: Tensor
    mask: Tensor
    n_hyperplanes: Tensor

    @staticmethod
    def of(ptr: Tensor, bin_size: int) -> EventSizes:
        """Return the sizes of the events that `ptr` [B + 1] delimits."""
        sizes = ptr.diff()
        bins = (sizes + bin_size - 1) // bin_size
        first = bins.cumsum(0) - bins
        event = torch.repeat_interleave(torch.arange(len(sizes), device=ptr.device), sizes)
        position = torch.arange(len(event), device=ptr.device) - ptr[:-1][event]
        slot = first[event] * bin_size + position
        mask = torch.zeros(int(bins.sum()) * bin_size, dtype=torch.bool, device=ptr.device)
        return EventSizes(
            event=event,
            slot=slot,
            mask=mask.index_fill_(0, slot, True).view(-1, bin_size),
            n_hyperplanes=bins // 2,
        )

    def assign(self, embedding: Tensor, hyperplanes: Tensor) -> Bins:
        """Return the bins of the elements, see `assign_bins`."""
        return assign_bins(embedding, hyperplanes, self)

    @cached_property
    def most_hyperplanes(self) -> int:
        """Hash columns of the event that uses most of them."""
        return max(self.n_hyperplanes.tolist(), default=0)

    @cached_property
    def unused(self) -> Tensor:
        """Which of the 2 most_hyperplanes hash codes are not for the element's event, [N, ...], bool."""
        column = torch.arange(self.most_hyperplanes, device=self.event.device).repeat(2)
        return column >= self.n_hyperplanes[self.event].unsqueeze(1)


@dataclass(frozen=True)
class Bins:
    """Where every element stands.

    Attributes
    ----------
    slot : tensor [N], int64
        Slot of each element, bin x bin_size + place in the bin.
    element : tensor [n_bins x bin_size], int64
        Element in each slot; 0 in a padded one.
    mask : tensor [n_bins, bin_size], bool
        Which slots hold an element.
    """

    slot: Tensor
    element: Tensor
    mask: Tensor

    def gather(self, values: Tensor) -> Tensor:
        """Return per-element `values` [N, D] by bins, [n_bins, bin_size, D]. Padded slots hold anything.

        Whoever uses the result must give padded slots no weight: no gradient is taken from them.
        """
        binned: Tensor = _ToBins.apply(values, self.element, self.slot)  # type: ignore[no-untyped-call]
        return binned.view(*self.mask.shape, values.shape[1])

    def scatter(self, binned: Tensor) -> Tensor:
        """Return binned values [n_bins, bin_size, D] in the order of the elements, [N, D]."""
        flat = binned.reshape(-1, binned.shape[-1])
        where = (self.element, self.slot, self.mask)
        values: Tensor = _FromBins.apply(flat, *where)  # type: ignore[no-untyped-call]
        return values


class _ToBins(Function):
    """A gather whose backward is the inverse gather: no scattered additions."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, element: Tensor, slot: Tensor) -> Tensor:
        ctx.save_for_backward(slot)
        return values.index_select(0, element)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slot,) = ctx.saved_tensors
        return gradient.index_select(0, slot), None, None


class _FromBins(Function):
    """The way back; its backward leaves padded slots without a gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, element: Tensor, slot: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(element, mask)
        return values.index_select(0, slot)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        element, mask = ctx.saved_tensors
        return gradient.index_select(0, element).mul_(mask.view(-1, 1)), None, None, None


def hash_codes(embedding: Tensor, hyperplanes: Tensor, sizes: EventSizes) -> Tensor:
    """Return the locality-sensitive hash code of each element, [N], int64.

    An event with h hyperplanes has 2h codes: the hyperplane of the largest projection m, with its sign,
    ``argmax([m, -m])``. Events of the batch with fewer hyperplanes than the widest leave the others unused:
    both signs of an unused projection are -inf, never a large number of either sign.

    Raises
    ------
    DataError
        If an event needs more hyperplanes than there are.
    """
    most = sizes.most_hyperplanes
    if most == 0:
        return torch.zeros_like(sizes.event)
    if most > hyperplanes.shape[1]:
        elements = int(torch.bincount(sizes.event).max())
        raise DataError(needs_hash_columns(elements, sizes.mask.shape[1], most, hyperplanes.shape[1]))
    projection = embedding @ hyperplanes[:, :most]
    both = torch.cat([projection, -projection], dim=1)
    return both.masked_fill_(sizes.unused, -torch.inf).argmax(dim=1)


@torch.no_grad()
def assign_bins(embedding: Tensor, hyperplanes: Tensor, sizes: EventSizes) -> Bins:
    """Sort each event by hash code (stably) and cut it into consecutive bins, the last one padded.

    Elements lie at `embedding` [N, d]; all events share the random directions `hyperplanes` [d, h].
    """
    codes = hash_codes(embedding, hyperplanes, sizes)
    order = torch.argsort(sizes.event * (2 * hyperplanes.shape[1]) + codes, stable=True)
    slot = torch.empty_like(order).index_copy_(0, order, sizes.slot)
    element = torch.zeros(sizes.mask.numel(), dtype=torch.int64, device=order.device)
    element.index_copy_(0, sizes.slot, order)
    return Bins(slot=slot, element=element, mask=sizes.mask)


def needs_hash_columns(elements: int, size: int, needed: int, hash_columns: int) -> str:
    """Return what to do where an event needs more hash columns than there are."""
    return (
        f"an event of {elements} elements in bins of {size} needs {needed} hash columns, "
        f"network.hash_columns is {hash_columns}; raise it"
    )
