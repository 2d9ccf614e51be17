"""A graph layer in PyG's own terms, message by message on the edges within bins: a second witness."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import degree

from mlpf_hpo.mlpf.binning import EventSizes, assign_bins
from mlpf_hpo.mlpf.layers import GraphLayer


class InBin(MessagePassing):
    """The normalised exchange of one layer on the graph that joins all elements of a bin."""

    def __init__(self, layer: GraphLayer) -> None:
        super().__init__(aggr="add")
        self.layer = layer

    def forward(self, x: Tensor, e: Tensor, edges: Tensor) -> Tensor:
        theta, h, t = (x @ weight.T for weight in self.layer.message.weight.chunk(3))
        source, target = edges
        distance = torch.sqrt((e[source] - e[target]).square().sum(dim=1).clamp(min=1e-6))
        kernel = torch.exp(-0.1 * distance)
        total = torch.zeros(len(x), dtype=x.dtype).index_add(0, target, kernel)
        n = (total + 1e-6) ** -0.5
        homogeneous = self.propagate(edges, theta=theta, weight=n[source] * kernel * n[target])
        g = torch.sigmoid(t + self.layer.gate_bias)
        return torch.nn.functional.elu(g * homogeneous + (1 - g) * h)

    def message(self, theta_j: Tensor, weight: Tensor) -> Tensor:
        return weight[:, None] * theta_j


@pytest.mark.parametrize("sizes", [[1], [8], [41, 1, 16], [200, 7, 64]])
def test_the_layer_is_message_passing_within_bins(make_network, sizes: list[int]) -> None:
    layer = make_network(1, 0, bin_size=8, output_dim=12).id_layers[0]
    torch.nn.init.normal_(layer.gate_bias, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(sum(sizes))
    x = torch.randn(sum(sizes), 14, dtype=torch.float64, generator=generator).requires_grad_()
    batch = EventSizes.of(torch.tensor([0, *sizes]).cumsum(0), 8)
    e = layer.embed_out(torch.nn.functional.elu(layer.embed_in(x)))
    number = assign_bins(e, layer.hyperplanes, batch).slot // 8
    edges = (number[:, None] == number).nonzero().T.flip(0)
    assert degree(edges[1]).max() == min(8, max(sizes))
    expected = InBin(layer)(x, e, edges)
    found = layer(x, batch)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    weights = torch.randn(found.shape, dtype=torch.float64, generator=generator)
    parameters = [x, *layer.parameters()]
    one = torch.autograd.grad((found * weights).sum(), parameters)
    other = torch.autograd.grad((expected * weights).sum(), parameters)
    for gradient, wanted in zip(one, other, strict=True):
        # A bias moves all embeddings alike: its gradient is zero up to rounding.
        atol = max(1e-6 * float(wanted.abs().max()), 1e-12)
        torch.testing.assert_close(gradient, wanted, rtol=1e-6, atol=atol)
