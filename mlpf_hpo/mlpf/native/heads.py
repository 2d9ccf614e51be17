"""Forward and backward of the heads for blocks of elements, written out: no autograd."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import CDLL
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from mlpf_hpo.events.schema import N_CLASSES
from mlpf_hpo.mlpf.dropout import Dropping
from mlpf_hpo.mlpf.heads import HeadOutputs, Heads
from mlpf_hpo.mlpf.native.graph_layer import product_of_rows

CLASS, CHARGE = slice(0, N_CLASSES), slice(N_CLASSES, N_CLASSES + 1)
ETA, PHI, ENERGY, PT = slice(7, 8), slice(8, 10), slice(10, 11), slice(11, 12)
N_OUTPUTS = 12
"""Columns of what the heads say of an element, as the kernel of the loss takes them."""

SINGLES, PAIRS = (CLASS, CHARGE), ((ETA, PHI), (ENERGY, PT))
"""Heads that go by themselves, and those that go as a batch of two."""


@dataclass
class Kept:
    """What a block's way back needs: inputs, first layers' outputs, logits, activations by head or pair."""

    id_input: Tensor
    reg_input: Tensor
    first: Tensor
    logits: Tensor
    activations: list[list[Tensor]]


class HeadsPass:
    """All heads' way forward and back over blocks of elements; gradients of parameters add up.

    Class and charge go by themselves; eta and phi, and energy and pt, are pairs of equal widths and go as a
    batch of two.

    Parameters
    ----------
    kernels : CDLL
        See `kernels`.
    heads : Heads
        Their parameters, float32.
    id_width, reg_width : int
        Columns of the inputs, of which those beyond `heads.id_dim` and `heads.reg_dim` are zero.
    dropping : Dropping
        Their dropout.
    """

    def __init__(
        self, kernels: CDLL, heads: Heads, id_width: int, reg_width: int, dropping: Dropping
    ) -> None:
        self.kernels, self.heads, self.dropping = kernels, heads, dropping
        order = [heads.class_head, heads.charge_head, heads.eta_head, heads.phi_head]
        order += [heads.energy_head, heads.pt_head]
        self.layers = [
            [(one.weight.detach(), one.bias.detach()) for one in head.linear_layers] for head in order
        ]
        first = [layers[0] for layers in self.layers]
        n = heads.id_dim
        ends = list(accumulate(len(bias) for _, bias in first))
        self.columns = [slice(end - len(bias), end) for end, (_, bias) in zip(ends, first, strict=True)]
        self.pairs_from, self.scales_from = ends[1], ends[3]
        self.bias = torch.cat([bias for _, bias in first])
        self.id_weight = _filled_up([weight[:, :n] for weight, _ in first], id_width)
        self.class_weight = torch.cat([weight[:, n : n + N_CLASSES] for weight, _ in first[2:]])
        self.reg_weight = _filled_up([weight[:, n + N_CLASSES :] for weight, _ in first[4:]], reg_width)
        self.pairs = [
            [
                (torch.stack([w, v]), torch.stack([b, a]).unsqueeze(1))
                for (w, b), (v, a) in zip(self.layers[at][1:-1], self.layers[at + 1][1:-1], strict=True)
            ]
            for at in (2, 4)
        ]
        depths = [len(self.layers[0]), len(self.layers[1]), len(self.layers[2]), len(self.layers[4])]
        self.n_masks = sum(depth - 1 for depth in depths) if dropping.dropped else 0
        self._gradients: list[Tensor] = []

    def forward(self, id_input: Tensor, reg_input: Tensor, masks: Iterator[int]) -> tuple[Tensor, Kept]:
        """Return a block's outputs [N, 12] and what `backward` takes; `n_masks` masks take a seed each."""
        out = torch.empty(len(id_input), N_OUTPUTS)
        first = torch.addmm(self.bias, id_input, self.id_weight.t())
        kept = Kept(id_input, reg_input, first, out[:, CLASS], [])
        for at, outputs in enumerate(SINGLES):
            kept.activations.append(self._single(at, first[:, self.columns[at]], out[:, outputs], masks))
        kept.logits = out[:, CLASS].clone()  # the loss puts gradients in their place
        first[:, self.pairs_from :].addmm_(kept.logits, self.class_weight.t())
        first[:, self.scales_from :].addmm_(reg_input, self.reg_weight.t())
        for at, pair in enumerate(PAIRS):
            hidden = first[:, self._columns_of_pair(at)]
            kept.activations.append(self._pair(at, hidden, [out[:, c] for c in pair], masks))
        return out, kept

    def _columns_of_pair(self, at: int) -> slice:
        """Return where the first layers of a pair's heads stand side by side."""
        return slice(self.columns[2 + 2 * at].start, self.columns[3 + 2 * at].stop)

    def _single(self, at: int, hidden: Tensor, out: Tensor, masks: Iterator[int]) -> list[Tensor]:
        *middle, (last, bias) = self.layers[at][1:]
        activations = [self._activate(hidden, masks)]
        for weight, shift in middle:
            activations.append(self._activate(torch.addmm(shift, activations[-1], weight.t()), masks))
        torch.addmm(bias, activations[-1], last.t(), out=out)
        return activations

    def _pair(self, at: int, hidden: Tensor, outs: list[Tensor], masks: Iterator[int]) -> list[Tensor]:
        n, width = len(hidden), hidden.shape[1] // 2
        activations = [self._activate(hidden, masks).view(n, 2, width).transpose(0, 1)]
        for weight, bias in self.pairs[at]:
            product = torch.baddbmm(bias, activations[-1], weight.transpose(1, 2))
            activations.append(self._activate(product.flatten(0, 1), masks).view_as(product))
        for head, out in enumerate(outs):
            weight, bias = self.layers[2 + 2 * at + head][-1]
            torch.addmm(bias, activations[-1][head], weight.t(), out=out)
        return activations

    def _activate(self, x: Tensor, masks: Iterator[int]) -> Tensor:
        (n, width), p = x.shape, self.dropping
        out = torch.empty(n, width)
        seed = next(masks) if p.dropped else 0
        self.kernels.elu_dropout(
            x.data_ptr(), x.stride(0), None, out.data_ptr(), width, n, width, seed, p.dropped, p.scale
        )
        return out

    def _activate_backward(self, out: Tensor, gradient: Tensor) -> None:
        """Multiply the gradient of an activation's output `out` by its slope, in place."""
        (n, width), p = gradient.shape, self.dropping
        at = (out.data_ptr(), out.stride(0), gradient.data_ptr(), gradient.stride(0))
        self.kernels.elu_dropout_backward(*at, n, width, p.dropped, p.scale)

    def backward(self, gradient: Tensor, kept: Kept, of_id: Tensor, of_reg: Tensor) -> None:
        """Write the gradients of a block's inputs; `gradient` [N, 12] is that of its outputs."""
        of_first = kept.first  # nobody reads it any more: its place is taken
        of_rest: list[Tensor] = []
        for at, outputs in enumerate(SINGLES):
            of_columns = of_first[:, self.columns[at]]
            of_rest += self._single_backward(at, gradient[:, outputs], kept.activations[at], of_columns)
        for at, pair in enumerate(PAIRS):
            of_outputs, of_columns = [gradient[:, c] for c in pair], of_first[:, self._columns_of_pair(at)]
            of_rest += self._pair_backward(at, of_outputs, kept.activations[2 + at], of_columns)
        of_pairs, of_scales = of_first[:, self.pairs_from :], of_first[:, self.scales_from :]
        torch.mm(of_first, self.id_weight, out=of_id)
        torch.mm(of_scales, self.reg_weight, out=of_reg)
        found = [product_of_rows(of_first, kept.id_input), of_first.sum(0)]
        found += [
            product_of_rows(of_pairs, kept.logits),
            product_of_rows(of_scales, kept.reg_input),
            *of_rest,
        ]
        if self._gradients:
            torch._foreach_add_(self._gradients, found)
        else:
            self._gradients = found

    def _single_backward(
        self, at: int, up: Tensor, activations: list[Tensor], of_first: Tensor
    ) -> list[Tensor]:
        """Write the gradient of a head's first layer; return those of its other parameters, in order."""
        found: list[Tensor] = []
        for depth in range(len(activations), 0, -1):
            below = activations[depth - 1]
            found[:0] = [product_of_rows(up, below), up.sum(0)]
            to = of_first if depth == 1 else torch.empty_like(below)
            torch.mm(up, self.layers[at][depth][0], out=to)
            self._activate_backward(below, to)
            up = to
        return found

    def _pair_backward(
        self, at: int, ups: list[Tensor], activations: list[Tensor], of_first: Tensor
    ) -> list[Tensor]:
        """Do the same for a pair; its second head's gradients follow those of its first."""
        n, top = len(of_first), activations[-1]
        up = torch.empty(2, n, top.shape[2])
        found: list[list[Tensor]] = [[], []]
        for head, own in enumerate(ups):
            found[head] = [product_of_rows(own, top[head]), own.sum(0)]
            torch.mm(own, self.layers[2 + 2 * at + head][-1][0], out=up[head])
        for depth in range(len(activations) - 1, 0, -1):
            self._activate_backward(activations[depth].flatten(0, 1), up.flatten(0, 1))
            of_weights, of_biases = torch.bmm(up.transpose(1, 2), activations[depth - 1]), up.sum(1)
            for head in (0, 1):
                found[head][:0] = [of_weights[head], of_biases[head]]
            up = torch.bmm(up, self.pairs[at][depth - 1][0])
        of_first.view(n, 2, of_first.shape[1] // 2).copy_(up.transpose(0, 1))
        self._activate_backward(activations[0].transpose(0, 1).flatten(1), of_first)
        return found[0] + found[1]

    def gradients(self) -> list[Tensor]:
        """Return the sums of all blocks' gradients of the heads' parameters, in the module's order."""
        of_id, of_bias, of_class, of_reg, *of_rest = self._gradients
        n, r = self.heads.id_dim, self.heads.reg_dim
        found: list[Tensor] = []
        rest = iter(of_rest)
        for head, at in enumerate(self.columns):
            columns = [of_id[at, :n]]
            if head >= 2:
                columns.append(of_class[at.start - self.pairs_from : at.stop - self.pairs_from])
            if head >= 4:
                columns.append(of_reg[at.start - self.scales_from : at.stop - self.scales_from, :r])
            found += [torch.cat(columns, dim=1), of_bias[at]]
            found += [next(rest) for _ in range(2 * (len(self.layers[head]) - 1))]
        return found


def as_head_outputs(out: Tensor) -> HeadOutputs:
    """Return the columns of outputs [N, 12] by their names."""
    charge, eta, energy, pt = (out[:, columns.start] for columns in (CHARGE, ETA, ENERGY, PT))
    return HeadOutputs(out[:, CLASS], charge, eta, out[:, PHI], energy, pt)


def _filled_up(weights: list[Tensor], width: int) -> Tensor:
    """Return weights [out, in] one under the other, with columns of zeros up to a width."""
    whole = weights[0].new_zeros(sum(len(weight) for weight in weights), width)
    torch.cat(weights, out=whole[:, : weights[0].shape[1]])
    return whole
