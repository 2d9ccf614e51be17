"""The graph layer of MLPF: a learned neighbourhood within bins, and gated messages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from mlpf_hpo.mlpf.activation import elu
from mlpf_hpo.mlpf.binning import Sizes
from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.precision import at_least_single, exact_products

HYPERPLANE_WIDTH = 0.05
"""Standard deviation of the frozen random directions."""

DISTANCE_SCALE, SQUARED_DISTANCE_FLOOR, DEGREE_FLOOR = 0.1, 1e-6, 1e-6
"""Constants of the kernel exp(-0.1 |e_i - e_j|) and of its degrees."""


class GraphLayer(nn.Module):
    """One GNN layer: embed, bin, build the kernel within bins, exchange messages, gate.

    ::

        e    = Dense(d)(elu(Dense(d)(x)))
        K_ij = exp(-0.1 sqrt(max(|e_i - e_j|^2, 1e-6)))      within a bin
        n_i  = (sum_j K_ij + 1e-6)^(-1/2)
        hom  = n * (K @ (n * x W_theta)),  het = x W_h,  g = sigmoid(x W_t + b)
        out  = dropout(elu(g * hom + (1 - g) * het))

    Parameters
    ----------
    in_dim, output_dim, embedding_dim : int
        Widths.
    hash_columns : int
        Random directions at hand; an event of n bins uses n // 2.
    dropout : float
        Probability of dropping an output.
    """

    hyperplanes: Tensor

    def __init__(
        self, in_dim: int, output_dim: int, embedding_dim: int, hash_columns: int, dropout: float
    ) -> None:
        super().__init__()
        self.embed_in = nn.Linear(in_dim, embedding_dim)
        self.embed_out = nn.Linear(embedding_dim, embedding_dim)
        # W_theta, W_h and W_t side by side.
        self.message = nn.Linear(in_dim, 3 * output_dim, bias=False)
        self.gate_bias = nn.Parameter(torch.zeros(output_dim))
        self.dropout = Dropout(dropout)
        self.widths = [embedding_dim, output_dim, output_dim, output_dim]
        self.register_buffer("hyperplanes", torch.randn(embedding_dim, hash_columns) * HYPERPLANE_WIDTH)

    def forward(self, x: Tensor, sizes: Sizes) -> Tensor:
        """Return the layer's output [N, output_dim] for elements `x` [N, in_dim]."""
        # One matrix product for all that reads x.
        weight = torch.cat([self.embed_in.weight, self.message.weight])
        parts = functional.linear(x, weight).split_with_sizes(self.widths, dim=1)
        hidden, homogeneous, heterogeneous, gate = parts
        embedding = at_least_single(self.embed_out(elu(hidden + self.embed_in.bias)))
        with exact_products(x.device):
            bins = sizes.assign(embedding, self.hyperplanes)
            kernel = neighbourhood(bins.gather(embedding), bins.mask)
        degree = (kernel.sum(dim=2, keepdim=True) + DEGREE_FLOOR).rsqrt()
        exchanged = bins.scatter(degree * torch.bmm(kernel, degree * bins.gather(homogeneous)))
        mixed = gated(at_least_single(heterogeneous), exchanged, gate + self.gate_bias)
        out: Tensor = self.dropout(elu(mixed))
        return out


def neighbourhood(embedding: Tensor, mask: Tensor) -> Tensor:
    """Return the kernel [n_bins, bin_size, bin_size] within each bin, zero where either element is padding.

    `embedding` is [n_bins, bin_size, d]; `mask` [n_bins, bin_size] says which slots hold an element.
    """
    product = torch.bmm(embedding, embedding.transpose(1, 2))
    # From the product itself and not summed anew: so the distance of an element to itself, a difference of
    # large numbers, is exactly zero.
    squares = product.diagonal(dim1=1, dim2=2)
    squared = squares.unsqueeze(2) + squares.unsqueeze(1) - 2 * product
    distance = squared.clamp(min=SQUARED_DISTANCE_FLOOR).sqrt()
    real = mask.unsqueeze(2) & mask.unsqueeze(1)
    return torch.exp(-DISTANCE_SCALE * distance) * real


def gated(heterogeneous: Tensor, homogeneous: Tensor, gate: Tensor) -> Tensor:
    """Return g homogeneous + (1 - g) heterogeneous with g = sigmoid(gate); all [N, D].

    Written with PyTorch's functions it would keep all three for the gradient, and `heterogeneous` and `gate`
    as columns of a wider matrix, which would stay with them.
    """
    out: Tensor = _Gated.apply(heterogeneous, homogeneous, gate)  # type: ignore[no-untyped-call]
    return out


class _Gated(Function):
    @staticmethod
    def forward(ctx: Any, heterogeneous: Tensor, homogeneous: Tensor, gate: Tensor) -> Tensor:
        g = torch.sigmoid(gate)
        ctx.save_for_backward(g, homogeneous - heterogeneous)
        return torch.lerp(heterogeneous, homogeneous, g)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        g, difference = ctx.saved_tensors
        of_gate = torch.ops.aten.sigmoid_backward(gradient * difference, g)
        return gradient * (1 - g), gradient * g, of_gate
