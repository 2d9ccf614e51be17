"""Forward and backward of a graph layer, written out: products by PyTorch, all between them by kernels."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import CDLL

import torch
from torch import Tensor

from mlpf_hpo.mlpf.dropout import Dropping
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.native.bins import Bins

FLOAT_BYTES = 4


class LayerPass:
    """One layer's way forward, which keeps what its way back needs.

    Parameters
    ----------
    kernels : CDLL
        See `kernels`.
    layer : GraphLayer
        Its parameters, float32.
    bins : Bins
        Those of the batch.
    dropping : Dropping
        Its dropout.

    Attributes
    ----------
    n_masks : int
        Dropout masks that it takes, one or none.
    """

    def __init__(self, kernels: CDLL, layer: GraphLayer, bins: Bins, dropping: Dropping) -> None:
        self.kernels, self.layer, self.bins, self.dropping = kernels, layer, bins, dropping
        self.n_masks = int(dropping.dropped > 0)
        self.embedding_dim, self.width = layer.widths[:2]

    def forward(self, x: Tensor, out: Tensor, masks: Iterator[int]) -> None:
        """Write the output for elements `x` [N, in_dim] to `out` [N, output_dim]; a mask takes a seed."""
        c, bins, layer, width, d = self.kernels, self.bins, self.layer, self.width, self.embedding_dim
        self.x, self.out = x, out
        # One product for all that reads x: W_theta, W_h, W_t and the embedding's first map, side by side.
        self.weight = torch.cat([layer.message.weight.detach(), layer.embed_in.weight.detach()])
        self.parts = torch.mm(x, self.weight.t())
        parts, ld = self.parts.data_ptr(), self.parts.stride(0)
        self.hidden = torch.empty(bins.n, d)
        self._bin(parts + 3 * width * FLOAT_BYTES, ld)
        self.kernel = torch.bmm(self.binned, self.binned.transpose(1, 2))
        self.slope, self.norm = torch.empty_like(self.kernel), torch.empty(bins.slots)
        kernel, slope, norm = self.kernel.data_ptr(), self.slope.data_ptr(), self.norm.data_ptr()
        room = torch.empty(bins.size)
        c.neighbourhood(
            kernel, slope, norm, bins.filled.data_ptr(), len(bins.filled), bins.size, room.data_ptr()
        )
        self.sent = torch.empty(len(bins.filled), bins.size, width)
        c.gather_rows(parts, ld, self.element.data_ptr(), norm, self.sent.data_ptr(), bins.slots, width)
        self.exchanged = torch.bmm(self.kernel, self.sent)
        c.gate(
            parts + width * FLOAT_BYTES, ld, layer.gate_bias.data_ptr(), self.exchanged.data_ptr(), norm,
            self.slot.data_ptr(), out.data_ptr(), out.stride(0), bins.n, width,
            next(masks) if self.n_masks else 0, self.dropping.dropped, self.dropping.scale,
        )  # fmt: skip

    def _bin(self, before: int, ld: int) -> None:
        """Embed, and sort elements into bins by hash code; `before` is where the embedding's first map is."""
        c, bins, layer, d = self.kernels, self.bins, self.layer, self.embedding_dim
        c.elu_dropout(
            before, ld, layer.embed_in.bias.data_ptr(), self.hidden.data_ptr(), d, bins.n, d, 0, 0, 1.0
        )
        embedding = torch.addmm(
            layer.embed_out.bias.detach(), self.hidden, layer.embed_out.weight.detach().t()
        )
        most = bins.most_hyperplanes
        codes = torch.zeros(bins.n, dtype=torch.int32)
        if most:
            projection = product_of_rows(embedding.t(), layer.hyperplanes[:, :most]).contiguous()
            c.hash_codes(
                projection.data_ptr(), most, bins.ptr.data_ptr(), bins.hyperplanes.data_ptr(),
                len(bins.hyperplanes), most, codes.data_ptr(),
            )  # fmt: skip
        self.slot = torch.empty(bins.n, dtype=torch.int64)
        self.element = torch.full((bins.slots,), -1, dtype=torch.int64)
        n_codes = max(1, 2 * most)
        counts = torch.empty(n_codes + 1, dtype=torch.int64)
        c.sort_into_bins(
            codes.data_ptr(), bins.ptr.data_ptr(), bins.first_slot.data_ptr(), len(bins.hyperplanes), n_codes,
            counts.data_ptr(), self.slot.data_ptr(), self.element.data_ptr(),
        )  # fmt: skip
        self.binned = torch.empty(len(bins.filled), bins.size, d)
        c.gather_rows(
            embedding.data_ptr(), d, self.element.data_ptr(), None, self.binned.data_ptr(), bins.slots, d
        )

    def backward(self, gradient: Tensor, of_x: Tensor | None) -> list[Tensor]:
        """Add the gradient of x to `of_x`; return those of the parameters, in the module's order.

        `gradient` [N, output_dim] is that of the output.
        """
        c, bins, width = self.kernels, self.bins, self.width
        of_parts = torch.empty_like(self.parts)
        of_parts_at, ld = of_parts.data_ptr(), of_parts.stride(0)
        # Slots without an element have no gradient.
        empty = torch.empty if bins.slots == bins.n else torch.zeros
        of_exchanged, of_norm = empty(len(bins.filled), bins.size, width), empty(bins.slots)
        slot, norm, parts = self.slot.data_ptr(), self.norm.data_ptr(), self.parts.data_ptr()
        c.gate_backward(
            self.out.data_ptr(), self.out.stride(0), gradient.data_ptr(), gradient.stride(0),
            parts + width * FLOAT_BYTES, ld, self.exchanged.data_ptr(), norm, slot,
            of_parts_at + width * FLOAT_BYTES, ld, of_exchanged.data_ptr(), of_norm.data_ptr(), bins.n, width,
            self.dropping.dropped, self.dropping.scale,
        )  # fmt: skip
        of_sent = torch.bmm(self.kernel.transpose(1, 2), of_exchanged)
        of_kernel = torch.bmm(of_exchanged, self.sent.transpose(1, 2))
        c.send_backward(
            of_sent.data_ptr(), parts, ld, norm, slot, of_parts_at, ld, of_norm.data_ptr(), bins.n, width
        )
        of_embed_out = self._bin_backward(of_kernel, of_norm, of_parts[:, 3 * width :])
        of_biases = of_parts[:, 2 * width :].sum(0)
        of_weight = product_of_rows(of_parts, self.x)
        if of_x is not None:
            of_x.addmm_(of_parts, self.weight)
        of_gate_bias, of_embed_in_bias = of_biases[:width], of_biases[width:]
        of_message, of_embed_in = of_weight[: 3 * width], of_weight[3 * width :]
        return [of_gate_bias, of_embed_in, of_embed_in_bias, *of_embed_out, of_message]

    def _bin_backward(self, of_kernel: Tensor, of_degree: Tensor, of_hidden: Tensor) -> list[Tensor]:
        """Write the gradient of the embedding's first map; return those of the second one's parameters."""
        c, bins, layer, d = self.kernels, self.bins, self.layer, self.embedding_dim
        sums = torch.empty(bins.slots)
        c.distances_backward(
            of_kernel.data_ptr(), self.slope.data_ptr(), of_degree.data_ptr(), bins.filled.data_ptr(),
            len(bins.filled), bins.size, sums.data_ptr(),
        )  # fmt: skip
        products = torch.bmm(of_kernel, self.binned)
        of_embedding = torch.empty(bins.n, d)
        c.embedding_backward(
            products.data_ptr(), self.binned.data_ptr(), sums.data_ptr(), self.slot.data_ptr(),
            of_embedding.data_ptr(), bins.n, d,
        )  # fmt: skip
        torch.mm(of_embedding, layer.embed_out.weight.detach(), out=of_hidden)
        at, ld = of_hidden.data_ptr(), of_hidden.stride(0)
        c.elu_dropout_backward(self.hidden.data_ptr(), d, at, ld, bins.n, d, 0, 1.0)
        return [product_of_rows(of_embedding, self.hidden), of_embedding.sum(0)]


def product_of_rows(a: Tensor, x: Tensor) -> Tensor:
    """Return the sum over rows of `a` [N, out] times `x` [N, in], [out, in], as for a gradient."""
    # The same with factors exchanged: where x is narrow MKL takes a quarter to a half of the time.
    return torch.mm(x.t(), a).t() if x.shape[1] < 32 else torch.mm(a.t(), x)
