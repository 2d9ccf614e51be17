"""A batch's loss, with the heads evaluated and differentiated block by block of elements.

What the heads compute of an element depends on that element alone, and its part of the loss has a weight that
the targets fix beforehand. So a block's gradients are known as soon as its loss is, and of its activations,
which would be most of a step's memory, nothing is kept: only the gradients of the heads' inputs and weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlpf_hpo.mlpf.blocks import BLOCK, blocks
from mlpf_hpo.mlpf.loss import LossTerms, mlpf_loss, term_weights
from mlpf_hpo.mlpf.native.choice import Native
from mlpf_hpo.mlpf.native.step import native_loss
from mlpf_hpo.mlpf.network import MLPF


def training_loss(network: MLPF, x: Tensor, ptr: Tensor, y: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return a batch's loss, to be differentiated once, and the sums of its terms, [7], without history.

    `x`, `ptr` and `y` are as `MLPF` and `mlpf_loss` take them. The sums are divided by `counts` [7]: what
    counts in all parts of the optimiser's step.
    """
    if torch.is_autocast_enabled(x.device.type) and torch.get_autocast_dtype(x.device.type) == torch.float16:
        # The factor that keeps gradients within this type comes from behind the loss.
        sums = mlpf_loss(network(x, ptr), y).sums
        return LossTerms(sums, counts).total, sums.detach()
    weights = term_weights(counts.to(torch.promote_types(x.dtype, torch.float32)))
    native = Native.of(network, x)
    if native is not None:
        return native_loss(native, network, x, ptr, y, weights)
    inputs = network.head_inputs(x, ptr)
    parameters = tuple(network.heads.parameters())
    loss, sums = _Blockwise.apply(network, weights, x, y, *inputs, *parameters)  # type: ignore[no-untyped-call]
    return loss, sums


class _Blockwise(Function):
    """Goes through the blocks forward and backward at once."""

    @staticmethod
    def forward(
        ctx: Any,
        network: MLPF,
        weights: Tensor,
        x: Tensor,
        y: Tensor,
        id_input: Tensor,
        reg_input: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        inputs = (id_input, reg_input)
        of_inputs = [torch.empty_like(one) for one in inputs]
        of_parameters: list[Tensor] = []
        total = torch.zeros_like(weights)
        for rows in blocks(len(x), BLOCK.get(x.device.type, BLOCK["cuda"])):
            with torch.enable_grad():
                part = [one[rows].detach().requires_grad_() for one in inputs]
                sums = mlpf_loss(network.particles(x[rows], *part), y[rows]).sums
                of_part = torch.autograd.grad(sums, [*part, *parameters], weights)
            total += sums.detach()
            for whole, gradient in zip(of_inputs, of_part[: len(part)], strict=True):
                whole[rows] = gradient
            if of_parameters:
                torch._foreach_add_(of_parameters, of_part[len(part) :])
            else:
                of_parameters = list(of_part[len(part) :])
        ctx.gradients = [*of_inputs, *of_parameters]
        ctx.mark_non_differentiable(total)
        return (total * weights).sum(), total  # no product that autocast would round

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _of_sums: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        torch._foreach_mul_(gradients, gradient)
        return (None, None, None, None, *gradients)
