"""The gate of a graph layer, with a backward pass that keeps little memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


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
