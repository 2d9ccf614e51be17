"""What the events of a batch have in common with every graph layer, as the kernels take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlpf_hpo.errors import DataError
from mlpf_hpo.mlpf.binning import needs_hash_columns
from mlpf_hpo.mlpf.native.structures import BatchBins


@dataclass(frozen=True)
class Bins:
    """The bins of a batch of events, whose elements the layers put into them.

    Attributes
    ----------
    ptr, first_slot, hyperplanes : tensor [B + 1], [B], [B], int64
        Where events begin and end, the first slot of each, and the hash columns that it uses.
    filled : tensor [n_bins], int64
        Elements in each bin.
    n, size, most_hyperplanes : int
        Elements of the batch, slots in a bin, and hash columns of the event that uses most of them.
    """

    ptr: Tensor
    first_slot: Tensor
    hyperplanes: Tensor
    filled: Tensor
    n: int
    size: int
    most_hyperplanes: int

    @staticmethod
    def of(ptr: Tensor, n: int, size: int, hash_columns: int) -> Bins:
        """Return the bins of the events that `ptr` [B + 1] delimits among n elements.

        Raises
        ------
        DataError
            If `ptr` does not go from 0 to n, or an event needs more than `hash_columns`.
        """
        edges = ptr.numpy()
        sizes = np.diff(edges)
        if len(edges) == 0 or edges[0] != 0 or edges[-1] != n or (sizes < 0).any():
            raise DataError(f"ptr must rise from 0 to the number of elements, {n}: {edges.tolist()}")
        bins = -(-sizes // size)
        last = np.cumsum(bins)
        filled = np.full(int(bins.sum()), size, dtype=np.int64)
        some = sizes > 0
        filled[last[some] - 1] -= (bins * size - sizes)[some]
        most = int(bins.max(initial=0)) // 2
        if most > hash_columns:
            raise DataError(needs_hash_columns(int(sizes.max()), size, most, hash_columns))
        of_numpy = torch.from_numpy
        first_slot, hyperplanes = of_numpy((last - bins) * size), of_numpy(bins // 2)
        return Bins(ptr, first_slot, hyperplanes, of_numpy(filled), n, size, most)

    def for_kernels(self) -> BatchBins:
        """Return what the kernels take; it must not outlive this."""
        places = (one.data_ptr() for one in (self.ptr, self.first_slot, self.hyperplanes, self.filled))
        n_events, n_bins = len(self.hyperplanes), len(self.filled)
        return BatchBins(*places, self.n, n_events, n_bins, self.size, self.most_hyperplanes)
