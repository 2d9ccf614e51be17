"""The heads of MLPF: class, charge and momentum of particles, in few matrix products.

Each head is a small feed-forward network with weights of its own. They are evaluated side by side: their
first layers read the same columns in one product, and the four heads of the momentum, which have equal
widths, go through their other layers as a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf_hpo.events.schema import N_CLASSES
from mlpf_hpo.mlpf.activation import elu
from mlpf_hpo.mlpf.dropout import Dropout

ALIGNMENT = 16
"""Columns: 64 bytes of float32. Products with rows of 782 take up to 1.5 times as long as with 784."""


class HeadOutputs(NamedTuple):
    """What the heads say of N elements.

    Attributes
    ----------
    logits : tensor [N, 6]
        Scores of the classes.
    charge, eta, energy, pt : tensor [N]
        As the heads give them, before anything is added.
    phi : tensor [N, 2]
        For sine and cosine.
    """

    logits: Tensor
    charge: Tensor
    eta: Tensor
    phi: Tensor
    energy: Tensor
    pt: Tensor


class Heads(nn.Module):
    """All heads.

    Class and charge see `id_input`; eta and phi see it and the logits; energy and pt see these two and
    `reg_input`. The momentum depends on the class, but cannot change it: no gradient goes through the logits.
    Dropout comes after every hidden layer.
    """

    def __init__(
        self,
        id_dim: int,
        reg_dim: int,
        class_head: Sequence[int],
        charge_head: Sequence[int],
        regression_head: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.id_dim, self.reg_dim = id_dim, reg_dim
        dim = id_dim + N_CLASSES
        self.class_head = Head(id_dim, class_head, N_CLASSES, dropout)
        self.charge_head = Head(id_dim, charge_head, 1, dropout)
        self.eta_head = Head(dim, regression_head, 1, dropout)
        self.phi_head = Head(dim, regression_head, 2, dropout)
        self.energy_head = Head(dim + reg_dim, regression_head, 1, dropout)
        self.pt_head = Head(dim + reg_dim, regression_head, 1, dropout)

    def forward(self, id_input: Tensor, reg_input: Tensor) -> HeadOutputs:
        """Return the outputs for `id_input` [N, id_dim] and `reg_input` [N, reg_dim].

        Both may have more columns, as `aligned` says; nothing is read from those, but they must be finite.
        """
        angles, scales = (self.eta_head, self.phi_head), (self.energy_head, self.pt_head)
        kinds = (self.class_head, self.charge_head)
        widths = [head.linear_layers[0].out_features for head in kinds]
        n = self.id_dim
        of_class, of_charge = _first_layers(kinds, id_input, n).split_with_sizes(widths, dim=1)
        logits, charge = self.class_head.finish(of_class), self.charge_head.finish(of_charge)
        classes, after = logits.detach(), n + N_CLASSES
        of_angles, of_scales = _first_layers(angles + scales, id_input, n).chunk(2, dim=1)
        of_angles = torch.addmm(of_angles, classes, _weights(angles, n, after, N_CLASSES).T)
        of_scales = torch.addmm(of_scales, classes, _weights(scales, n, after, N_CLASSES).T)
        weights = _weights(scales, after, after + self.reg_dim, reg_input.shape[1])
        of_scales = torch.addmm(of_scales, reg_input, weights.T)
        eta, phi = _other_layers(angles, of_angles)
        energy, pt = _other_layers(scales, of_scales)
        return HeadOutputs(logits, charge[:, 0], eta[:, 0], phi, energy[:, 0], pt[:, 0])

    @property
    def dropouts(self) -> set[float]:
        """The probabilities of dropout in all heads; one, unless somebody has set them apart."""
        return {
            layer.p for head in self.children() for layer in head.children() if isinstance(layer, Dropout)
        }


class Head(nn.Sequential):
    """A feed-forward head: linear, elu, dropout per hidden width, and a linear output."""

    def __init__(self, in_dim: int, widths: Sequence[int], out_dim: int, dropout: float) -> None:
        modules: list[nn.Module] = []
        for before, width in zip([in_dim, *widths[:-1]], widths, strict=True):
            modules += [nn.Linear(before, width), nn.ELU(), Dropout(dropout)]
        super().__init__(*modules, nn.Linear(widths[-1], out_dim))

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """The linear layers, in order."""
        return [layer for layer in self if isinstance(layer, nn.Linear)]

    def activate(self, hidden: Tensor) -> Tensor:
        """Return what stands between two linear layers: elu, then dropout."""
        dropout = self[2]
        out: Tensor = dropout(elu(hidden))
        return out

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the output [N, out_dim], given what the first layer leaves."""
        for layer in self.linear_layers[1:]:
            hidden = layer(self.activate(hidden))
        return hidden


def aligned(width: int) -> int:
    """Return the next width at which matrix products are fast."""
    return -(-width // ALIGNMENT) * ALIGNMENT


def _weights(heads: Sequence[Head], first: int, last: int, width: int) -> Tensor:
    """Return the weights of the heads' first layers, one under the other, for a range of input columns.

    Zeros fill them up to `width` columns.
    """
    weights = torch.cat([head.linear_layers[0].weight[:, first:last] for head in heads])
    return functional.pad(weights, (0, width - weights.shape[1]))


def _first_layers(heads: Sequence[Head], x: Tensor, columns: int) -> Tensor:
    """Return what the first layers of heads make of the first columns of their inputs, side by side."""
    bias = torch.cat([head.linear_layers[0].bias for head in heads])
    return functional.linear(x, _weights(heads, 0, columns, x.shape[1]), bias)


def _other_layers(heads: Sequence[Head], hidden: Tensor) -> list[Tensor]:
    """Return the outputs [N, out] of heads of equal hidden widths, from their first layers' side by side."""
    activate = heads[0].activate
    width = hidden.shape[1] // len(heads)
    x = activate(hidden).view(hidden.shape[0], len(heads), width).transpose(0, 1)
    _, *middle, last = zip(*(head.linear_layers for head in heads), strict=True)
    for layers in middle:
        weight = torch.stack([layer.weight.T for layer in layers])
        bias = torch.stack([layer.bias for layer in layers]).unsqueeze(1)
        x = activate(torch.baddbmm(bias, x, weight))
    return [layer(part) for layer, part in zip(last, x, strict=True)]
