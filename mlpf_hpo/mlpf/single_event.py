"""MLPF for one event, in operations that can be exported: nothing of it depends on the values in a tensor.

Kernels in C and batches stay behind. Only binning is written anew: an exported program has the number of
elements as a symbol, so that what `binning` decides by counting is said by masks here. Bins are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mlpf_hpo.mlpf.binning import Bins
from mlpf_hpo.mlpf.network import MLPF


@dataclass(frozen=True)
class SingleEvent:
    """The size of one event; `Sizes` for a batch of it alone.

    Attributes
    ----------
    n_elements : int
        Its elements, which may be a symbol.
    bin_size : int
        Slots in a bin.
    """

    n_elements: int
    bin_size: int

    def assign(self, embedding: Tensor, hyperplanes: Tensor) -> Bins:
        """Return the bins of the elements, as `assign_bins` does, and an empty one."""
        n, size, device = self.n_elements, self.bin_size, embedding.device
        n_bins = (n + size - 1) // size
        projection = embedding @ hyperplanes
        column = torch.arange(hyperplanes.shape[1], device=device).repeat(2)
        unused = column >= n_bins // 2
        both = torch.cat([projection, -projection], dim=1)
        # Where all are unused, in an event of one bin, all elements have code 0.
        codes = torch.where(unused, -torch.inf, both).argmax(dim=1)
        position = torch.arange(n, device=device)
        order = torch.argsort(codes * n + position)  # all different: sorted stably by code
        slot = torch.argsort(order)
        # One bin more than it takes, an empty one: with a dimension that may be 1, an export would hold for
        # that or for all others, but not for both.
        first = torch.arange(n_bins + 1, device=device).unsqueeze(1) * size
        slots = first + torch.arange(size, device=device)
        element = order[slots.clamp(max=n - 1)]  # any element in a padded slot: it has no weight
        return _Bins(slot=slot, element=element, mask=slots < n)


@dataclass(frozen=True)
class _Bins(Bins):
    """Bins with the elements by bin and place: no export knows that a list of slots can be cut into bins."""

    def gather(self, values: Tensor) -> Tensor:
        """Return per-element `values` [N, D] by bins, [n_bins, bin_size, D]."""
        return values[self.element]

    def scatter(self, binned: Tensor) -> Tensor:
        """Return binned values [n_bins, bin_size, D] in the order of the elements, [N, D]."""
        return binned.flatten(0, 1)[self.slot]


class SingleEventNetwork(nn.Module):
    """A network that takes the elements of one event [N, 12] and returns what it says of each.

    Parameters
    ----------
    network : MLPF
        The network; its weights are shared.
    """

    def __init__(self, network: MLPF) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what `Predictions` has, for the elements of one event, as a plain tuple for any file."""
        found = self.network.stacked(x, SingleEvent(x.shape[0], self.network.bin_size))
        return tuple(self.network.particles(x, *found))


def largest_event(network: MLPF) -> int | None:
    """Return the most elements of an event that a network has hash columns for; None if it does not hash."""
    layers = [*network.id_layers, *network.reg_layers]
    if not layers:
        return None
    return (2 * min(layer.hyperplanes.shape[1] for layer in layers) + 1) * network.bin_size
