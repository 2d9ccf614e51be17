"""Forward and backward of a graph layer, written out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.native.library import kernels


@dataclass(frozen=True)
class RaggedBins:
    """Bins of a batch, and where each event's elements and slots begin."""

    ptr: Tensor
    first_slot: Tensor
    hyperplanes: Tensor
    filled: Tensor
    n: int
    bins: int
    size: int
    most: int

    @staticmethod
    def of(ptr: Tensor, size: int) -> RaggedBins:
        import numpy as np

        edges = ptr.numpy()
        sizes = np.diff(edges)
        bins = -(-sizes // size)
        total = int(bins.sum())
        filled = np.full(total, size, dtype=np.int64)
        last = np.cumsum(bins)
        some = sizes > 0
        filled[last[some] - 1] -= (bins * size - sizes)[some]
        first = (last - bins) * size
        hyper = bins // 2
        t = torch.from_numpy
        return RaggedBins(
            ptr, t(first), t(hyper), t(filled), int(edges[-1]), total, size, int(hyper.max(initial=0))
        )


class LayerPass:
    """One layer's way forward, which keeps what its way back needs."""

    def __init__(self, layer: GraphLayer, bins: RaggedBins, seed: int, dropped: int, scale: float) -> None:
        self.layer, self.bins, self.seed, self.dropped, self.scale = layer, bins, seed, dropped, scale

    def forward(self, x: Tensor, out: Tensor) -> None:
        lib, bins, layer = kernels(), self.bins, self.layer
        n, d, width, size = bins.n, layer.widths[0], layer.widths[1], bins.size
        slots = bins.bins * size
        self.x, self.out = x, out
        self.weight = torch.cat([layer.message.weight.detach(), layer.embed_in.weight.detach()])
        parts = self.parts = torch.mm(x, self.weight.t())
        ld = parts.stride(0)
        base = parts.data_ptr()
        hidden = self.hidden = torch.empty(n, d)
        lib.elu_dropout(base + 12 * width, ld, layer.embed_in.bias.data_ptr(), hidden.data_ptr(), d, n, d, 0, 0, 0, 1.0)
        embedding = torch.addmm(layer.embed_out.bias.detach(), hidden, layer.embed_out.weight.detach().t())
        codes = torch.zeros(n, dtype=torch.int32)
        if bins.most:
            projection = torch.mm(embedding, layer.hyperplanes[:, : bins.most])
            lib.hash_codes(projection.data_ptr(), bins.most, bins.ptr.data_ptr(), bins.hyperplanes.data_ptr(),
                           len(bins.hyperplanes), bins.most, codes.data_ptr())
        slot = self.slot = torch.empty(n, dtype=torch.int64)
        element = self.element = torch.full((slots,), -1, dtype=torch.int64)
        counts = torch.empty(2 * bins.most + 2, dtype=torch.int64)
        lib.sort_into_bins(codes.data_ptr(), bins.ptr.data_ptr(), bins.first_slot.data_ptr(), len(bins.hyperplanes),
                           max(1, 2 * bins.most), counts.data_ptr(), slot.data_ptr(), element.data_ptr())
        binned = self.binned = torch.empty(bins.bins, size, d)
        lib.gather_rows(embedding.data_ptr(), d, element.data_ptr(), None, binned.data_ptr(), slots, d)
        kernel = self.kernel = torch.bmm(binned, binned.transpose(1, 2))
        slope = self.slope = torch.empty_like(kernel)
        norm = self.norm = torch.empty(slots)
        work = torch.empty(size)
        lib.neighbourhood(kernel.data_ptr(), slope.data_ptr(), norm.data_ptr(), bins.filled.data_ptr(), bins.bins, size,
                          work.data_ptr())
        sent = self.sent = torch.empty(bins.bins, size, width)
        lib.gather_rows(base, ld, element.data_ptr(), norm.data_ptr(), sent.data_ptr(), slots, width)
        exchanged = self.exchanged = torch.bmm(kernel, sent)
        lib.gate(base + 4 * width, ld, layer.gate_bias.data_ptr(), exchanged.data_ptr(), norm.data_ptr(), slot.data_ptr(),
                 out.data_ptr(), out.stride(0), n, width, self.seed, self.dropped, self.scale)

    def backward(self, gradient: Tensor, of_x: Tensor | None) -> list[Tensor]:
        """Add the gradient of x; return those of the parameters, in the module's order."""
        lib, bins, layer = kernels(), self.bins, self.layer
        n, d, width, size = bins.n, layer.widths[0], layer.widths[1], bins.size
        parts = self.parts
        ld, base = parts.stride(0), parts.data_ptr()
        of_parts = torch.empty_like(parts)
        to = of_parts.data_ptr()
        slots = bins.bins * size
        padded = slots > n
        of_exchanged = (torch.zeros if padded else torch.empty)(bins.bins, size, width)
        of_norm = (torch.zeros if padded else torch.empty)(slots)
        of_gate_bias = torch.zeros(width)
        slot, norm = self.slot.data_ptr(), self.norm.data_ptr()
        lib.gate_backward(self.out.data_ptr(), self.out.stride(0), gradient.data_ptr(), gradient.stride(0),
                          base + 4 * width, ld, self.exchanged.data_ptr(), norm, slot, to + 4 * width, ld,
                          of_exchanged.data_ptr(), of_norm.data_ptr(), of_gate_bias.data_ptr(), n, width, self.dropped, self.scale)
        of_sent = torch.bmm(self.kernel.transpose(1, 2), of_exchanged)
        of_kernel = torch.bmm(of_exchanged, self.sent.transpose(1, 2))
        lib.send_backward(of_sent.data_ptr(), base, ld, norm, slot, to, ld, of_norm.data_ptr(), n, width)
        sums = torch.empty(slots)
        lib.distances_backward(of_kernel.data_ptr(), self.slope.data_ptr(), of_norm.data_ptr(), bins.filled.data_ptr(),
                               bins.bins, size, sums.data_ptr())
        products = torch.bmm(of_kernel, self.binned)
        of_embedding = torch.empty(n, d)
        lib.embedding_backward(products.data_ptr(), self.binned.data_ptr(), sums.data_ptr(), slot, of_embedding.data_ptr(), n, d)
        of_out_weight = torch.mm(of_embedding.t(), self.hidden)
        of_out_bias = torch.zeros(d)
        lib.add_column_sums(of_embedding.data_ptr(), d, n, d, of_out_bias.data_ptr())
        of_hidden = of_parts[:, 3 * width :]
        torch.mm(of_embedding, layer.embed_out.weight.detach(), out=of_hidden)
        lib.elu_dropout_backward(self.hidden.data_ptr(), d, to + 12 * width, ld, n, d, 0, 1.0)
        of_in_bias = torch.zeros(d)
        lib.add_column_sums(to + 12 * width, ld, n, d, of_in_bias.data_ptr())
        of_weight = torch.mm(of_parts.t(), self.x)
        if of_x is not None:
            of_x.addmm_(of_parts, self.weight)
        # gate_bias, embed_in.weight, embed_in.bias, embed_out.weight, embed_out.bias, message.weight
        return [of_gate_bias, of_weight[3 * width :], of_in_bias, of_out_weight, of_out_bias, of_weight[: 3 * width]]
