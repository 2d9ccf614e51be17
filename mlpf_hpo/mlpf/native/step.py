"""Loss and all gradients of a batch in one go."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlpf_hpo.mlpf.dropout import LEVELS
from mlpf_hpo.mlpf.heads import aligned
from mlpf_hpo.mlpf.native.graph_layer import LayerPass, RaggedBins
from mlpf_hpo.mlpf.native.heads import HeadsPass
from mlpf_hpo.mlpf.native.library import kernels
from mlpf_hpo.mlpf.network import MLPF, N_INPUTS


def dropping(p: float, training: bool) -> tuple[int, float]:
    if not training or p == 0:
        return 0, 1.0
    dropped = min(round(p * LEVELS), LEVELS - 1)
    return dropped, LEVELS / (LEVELS - dropped)


def blocks(n: int, size: int):
    number = max(1, -(-n // size))
    edges = [n * i // number for i in range(number + 1)]
    return [slice(a, b) for a, b in zip(edges, edges[1:])]


BLOCK = 2048


class NativeStep:
    def __init__(self, network: MLPF, x: Tensor, ptr: Tensor) -> None:
        self.network = network
        self.bins = RaggedBins.of(ptr, network.bin_size)
        self.x = x

    def loss(self, y: Tensor, weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        network, lib, x = self.network, kernels(), self.x
        n = len(x)
        training = network.training
        stacks = (network.id_layers, network.reg_layers)
        width = network.id_layers[0].widths[1] if len(network.id_layers) else network.reg_layers[0].widths[1] if len(network.reg_layers) else 0
        dims = [N_INPUTS + len(s) * width for s in stacks]
        cats = [torch.zeros(n, aligned(dim)) if aligned(dim) > dim else torch.empty(n, dim) for dim in dims]
        lib.encode(x.data_ptr(), cats[0].data_ptr(), cats[0].stride(0), cats[1].data_ptr(), cats[1].stride(0), n)
        layer_p = next((l.dropout.p for s in stacks for l in s), 0.0)
        drop, scale = dropping(layer_p, training)
        head_drop, head_scale = dropping(network.heads.class_head[2].p, training)
        heads = HeadsPass(network.heads, cats[0].shape[1], cats[1].shape[1], head_drop, head_scale)
        parts = blocks(n, BLOCK)
        n_layers = len(stacks[0]) + len(stacks[1])
        seeds = torch.empty(n_layers * (drop > 0) + heads.n_seeds * (head_drop > 0) * len(parts), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        seeds = [s & (2**64 - 1) for s in seeds.tolist()]
        passes: list[list[LayerPass]] = []
        at = 0
        for stack, cat in zip(stacks, cats):
            own = []
            for i, layer in enumerate(stack):
                seed = seeds[at] if drop else 0
                at += drop > 0
                one = LayerPass(layer, self.bins, seed, drop, scale)
                begin = 0 if i == 0 else N_INPUTS + (i - 1) * width
                source = cat[:, begin : begin + (N_INPUTS if i == 0 else width)]
                target = cat[:, N_INPUTS + i * width : N_INPUTS + (i + 1) * width]
                one.forward(source, target)
                own.append(one)
            passes.append(own)
        norm = network.norm
        normed = torch.zeros_like(cats[0]) if aligned(dims[0]) > dims[0] else torch.empty_like(cats[0])
        means, rstds = torch.empty(n), torch.empty(n)
        lib.layer_norm(cats[0].data_ptr(), cats[0].stride(0), norm.weight.data_ptr(), norm.bias.data_ptr(), norm.eps, normed.data_ptr(),
                       normed.stride(0), means.data_ptr(), rstds.data_ptr(), n, dims[0])
        of_normed, of_reg = torch.empty_like(normed), torch.empty_like(cats[1])
        sums = torch.zeros(7, dtype=torch.float64)
        for rows in parts:
            own = seeds[at : at + heads.n_seeds] if head_drop else [0] * heads.n_seeds
            at += heads.n_seeds * (head_drop > 0)
            heads.run(normed[rows], cats[1][rows], x[rows], y[rows], weights, sums, own, of_normed[rows], of_reg[rows])
        of_id = torch.empty_like(cats[0])
        of_norm_weight, of_norm_bias = torch.zeros(dims[0]), torch.zeros(dims[0])
        lib.layer_norm_backward(of_normed.data_ptr(), of_normed.stride(0), cats[0].data_ptr(), cats[0].stride(0), norm.weight.data_ptr(),
                                means.data_ptr(), rstds.data_ptr(), of_id.data_ptr(), of_id.stride(0), of_norm_weight.data_ptr(),
                                of_norm_bias.data_ptr(), n, dims[0], N_INPUTS)
        gradients: list[Tensor] = []
        for own, gradient in zip(passes, (of_id, of_reg)):
            found: list[list[Tensor]] = []
            for i in reversed(range(len(own))):
                begin = N_INPUTS + i * width
                of_x = gradient[:, begin - width : begin] if i else None
                found.append(own[i].backward(gradient[:, begin : begin + width], of_x))
            for one in reversed(found):
                gradients += one
        gradients += [of_norm_weight, of_norm_bias, *heads.gradients()]
        return sums.float(), gradients


class NativeLoss(Function):
    @staticmethod
    def forward(ctx: Any, network: MLPF, weights: Tensor, x: Tensor, ptr: Tensor, y: Tensor, *parameters: Tensor):
        sums, ctx.gradients = NativeStep(network, x, ptr).loss(y, weights)
        ctx.mark_non_differentiable(sums)
        return (sums * weights).sum(), sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _of_sums: Tensor):
        gradients, ctx.gradients = ctx.gradients, None
        if gradient.item() != 1.0:
            torch._foreach_mul_(gradients, gradient)
        return (None, None, None, None, None, *gradients)


def native_loss(network: MLPF, x: Tensor, ptr: Tensor, y: Tensor, weights: Tensor):
    return NativeLoss.apply(network, weights, x, ptr, y, *network.parameters())
