"""Parts of the network as one writes them first: what the levers of `benchmarks.levers` are compared with.

Each takes the place of a part of `mlpf_hpo.mlpf` and gives the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlpf_hpo.mlpf import heads, layers
from mlpf_hpo.mlpf.binning import EventSizes, assign_bins
from mlpf_hpo.mlpf.dropout import Dropout


def layer_of_separate_products(layer: layers.GraphLayer, x: Tensor, sizes: EventSizes) -> Tensor:
    """Return a graph layer's output with a matrix product for each of its maps."""
    theta, h, t = layer.message.weight.chunk(3)
    e = layer.embed_out(layers.elu(layer.embed_in(x)))
    bins = assign_bins(e, layer.hyperplanes, sizes)
    kernel = layers.neighbourhood(bins.gather(e), bins.mask)
    degree = (kernel.sum(dim=2, keepdim=True) + layers.DEGREE_FLOOR).rsqrt()
    messages = bins.gather(functional.linear(x, theta))
    exchanged = bins.scatter(degree * torch.bmm(kernel, degree * messages))
    gate = functional.linear(x, t, layer.gate_bias)
    out: Tensor = layer.dropout(layers.elu(layers.gated(functional.linear(x, h), exchanged, gate)))
    return out


def separate_heads(of: heads.Heads, id_input: Tensor, reg_input: Tensor) -> heads.HeadOutputs:
    """Return what the heads say, one after the other, each from its whole input side by side."""
    id_input, reg_input = id_input[:, : of.id_dim], reg_input[:, : of.reg_dim]

    def says(head: heads.Head, x: Tensor) -> Tensor:
        return head.finish(head.linear_layers[0](x))

    logits = says(of.class_head, id_input)
    told = torch.cat([id_input, logits.detach()], dim=1)
    all_told = torch.cat([told, reg_input], dim=1)
    return heads.HeadOutputs(
        logits=logits,
        charge=says(of.charge_head, id_input)[:, 0],
        eta=says(of.eta_head, told)[:, 0],
        phi=says(of.phi_head, told),
        energy=says(of.energy_head, all_told)[:, 0],
        pt=says(of.pt_head, all_told)[:, 0],
    )


def gate_by_autograd(heterogeneous: Tensor, homogeneous: Tensor, gate: Tensor) -> Tensor:
    """Return the gate's mean in PyTorch's functions, with their gradients."""
    g = torch.sigmoid(gate)
    return g * homogeneous + (1 - g) * heterogeneous


def dropout_by_draws(layer: Dropout, x: Tensor) -> Tensor:
    """Return PyTorch's dropout: a Bernoulli draw for every element."""
    return functional.dropout(x, layer.p, layer.training)
