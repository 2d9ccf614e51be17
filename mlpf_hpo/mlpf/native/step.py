"""A batch's loss with all its gradients, or its reconstruction, computed by hand: no autograd, kernels in C.

Same network, same numbers but for rounding, same dropout masks as `MLPF` and `training_loss`, which say what
is computed and are taken wherever this does not apply.
"""

from __future__ import annotations

import sys
from ctypes import CDLL
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function

from mlpf_hpo.errors import DataError
from mlpf_hpo.events.schema import N_CLASSES, N_FEATURES, N_TARGETS
from mlpf_hpo.mlpf.blocks import BLOCK, blocks
from mlpf_hpo.mlpf.dropout import Dropping, draw_seeds
from mlpf_hpo.mlpf.heads import HeadOutputs, aligned
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.native.bins import Bins
from mlpf_hpo.mlpf.native.graph_layer import LayerPass
from mlpf_hpo.mlpf.native.heads import HeadsPass, as_head_outputs
from mlpf_hpo.mlpf.native.kernels import kernels

if TYPE_CHECKING:
    from mlpf_hpo.mlpf.network import MLPF


@dataclass(frozen=True)
class Native:
    """The kernels, and the parameters of the network that they train, in its order."""

    kernels: CDLL
    parameters: list[Tensor]

    @staticmethod
    def of(network: MLPF, x: Tensor) -> Native | None:
        """Return the kernels if they can train a network on elements `x`, else None; nothing else decides.

        They are for the CPU and float32, without autocast, and give no gradient of elements. Whoever hooks
        into a module wants it called.

        Raises
        ------
        ConfigurationError
            If the variable MLPF_HPO_KERNELS asks for kernels that there are not.
        """
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return None
        if x.requires_grad and torch.is_grad_enabled():
            return None
        parameters = _parameters(network)
        if parameters is None or not all(_plain(tensor) for tensor in (x, *parameters)):
            return None
        if len(network.heads.dropouts) > 1:
            return None
        found = kernels()
        return None if found is None else Native(found, parameters)


def _parameters(module: nn.Module) -> list[Tensor] | None:
    """Return what `module.parameters()` does, in less time; None if there is a hook."""
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    found: list[Tensor] = [one for one in module._parameters.values() if one is not None]
    for child in module._modules.values():
        of_child = [] if child is None else _parameters(child)
        if of_child is None:
            return None
        found += of_child
    return found


def _plain(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.is_contiguous() and tensor.is_cpu


class Step:
    """One pass over a batch.

    Parameters
    ----------
    c : CDLL
        The kernels.
    network : MLPF
        As `Native.of` has found it.
    x : tensor [N, 12]
        Features.
    ptr : tensor [B + 1], int64
        Where events begin and end.

    Raises
    ------
    DataError
        If `ptr` does not delimit N elements, an event needs more hash columns than there are, or an element
        is of no known type.
    """

    def __init__(self, c: CDLL, network: MLPF, x: Tensor, ptr: Tensor) -> None:
        self.c, self.network, self.x = c, network, x
        ptr = ptr.to(torch.int64).contiguous()
        if x.shape[1:] != (N_FEATURES,):
            raise DataError(f"features must be [N, {N_FEATURES}], not {list(x.shape)}")
        stacks = [
            [cast(GraphLayer, layer) for layer in stack] for stack in (network.id_layers, network.reg_layers)
        ]
        columns = min((layer.hyperplanes.shape[1] for layer in chain(*stacks)), default=sys.maxsize)
        bins = Bins.of(ptr, len(x), network.bin_size, columns)
        training, heads = network.training, network.heads
        self.passes = [
            [LayerPass(c, layer, bins, Dropping.of(layer.dropout.p, training)) for layer in stack]
            for stack in stacks
        ]
        self.n_inputs = heads.id_dim - sum(one.width for one in self.passes[0])
        # What the heads see, with zeros up to a width at which products are fast.
        self.seen = of_id, of_reg = _columns(len(x), heads.id_dim), _columns(len(x), heads.reg_dim)
        unknown = c.encode(
            x.data_ptr(), of_id.data_ptr(), of_id.stride(0), of_reg.data_ptr(), of_reg.stride(0), len(x)
        )
        if unknown:
            raise DataError(f"{unknown} of {len(x)} elements are of no type: 0, 1 or 2 in the first column")
        self.heads = HeadsPass(
            c, heads, of_id.shape[1], of_reg.shape[1], Dropping.of(max(heads.dropouts), training)
        )
        self.blocks = blocks(len(x), BLOCK["cpu"])
        n_of_layers = sum(one.n_masks for one in chain(*self.passes))
        seeds = draw_seeds(n_of_layers + len(self.blocks) * self.heads.n_masks)
        self.layer_seeds, self.head_seeds = seeds[:n_of_layers], seeds[n_of_layers:]

    def _layers_forward(self) -> Tensor:
        """Fill `seen`; return the normalised input of class and charge."""
        seeds = iter(self.layer_seeds)
        for passes, seen in zip(self.passes, self.seen, strict=True):
            source, begin = seen[:, : self.n_inputs], self.n_inputs
            for one in passes:
                target = seen[:, begin : begin + one.width]
                one.forward(source, target, seeds)
                source, begin = target, begin + one.width
        norm, x = self.network.norm, self.seen[0]
        normed = _columns(len(x), self.network.heads.id_dim)
        self.means, self.rstds = torch.empty(len(x)), torch.empty(len(x))
        self.c.layer_norm(
            x.data_ptr(), x.stride(0), norm.weight.data_ptr(), norm.bias.data_ptr(), norm.eps,
            normed.data_ptr(), normed.stride(0), self.means.data_ptr(), self.rstds.data_ptr(), len(x),
            self.network.heads.id_dim,
        )  # fmt: skip
        return normed

    def outputs(self) -> HeadOutputs:
        """Return what the heads say."""
        normed = self._layers_forward()
        seeds = iter(self.head_seeds)
        parts = [self.heads.forward(normed[rows], self.seen[1][rows], seeds)[0] for rows in self.blocks]
        return as_head_outputs(torch.cat(parts))

    def gradients(self, y: Tensor, weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the sums of the loss's terms [7], and the gradients of all parameters of their weighted sum.

        Raises
        ------
        DataError
            If targets `y` [N, 7] are not of these elements, or of a class that there is not.
        """
        if y.shape != (len(self.x), N_TARGETS):
            raise DataError(f"targets must be [{len(self.x)}, {N_TARGETS}], not {list(y.shape)}")
        y, weights = (one.to(torch.float32).contiguous() for one in (y, weights))
        normed = self._layers_forward()
        of_normed, of_reg = torch.empty_like(normed), torch.empty_like(self.seen[1])
        sums, unknown = torch.zeros(N_TARGETS, dtype=torch.float64), 0
        seeds = iter(self.head_seeds)
        for rows in self.blocks:
            out, kept = self.heads.forward(normed[rows], self.seen[1][rows], seeds)
            features, targets = self.x[rows], y[rows]
            unknown += self.c.loss(
                out.data_ptr(),
                features.data_ptr(),
                targets.data_ptr(),
                weights.data_ptr(),
                len(out),
                sums.data_ptr(),
            )
            self.heads.backward(out, kept, of_normed[rows], of_reg[rows])
        if unknown:
            raise DataError(
                f"{unknown} of {len(y)} targets are of no class: 0 to {N_CLASSES - 1} in the first column"
            )
        of_id, *of_norm = self._norm_backward(of_normed)
        found = self._layers_backward(self.passes[0], of_id) + self._layers_backward(self.passes[1], of_reg)
        return sums.float(), [*found, *of_norm, *self.heads.gradients()]

    def _norm_backward(self, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of its input, as far as layers made it, of its weight and its bias."""
        norm, x, width = self.network.norm, self.seen[0], self.network.heads.id_dim
        of_x, of_weight, of_bias = torch.empty_like(x), torch.zeros(width), torch.zeros(width)
        room = torch.empty(2, width)
        self.c.layer_norm_backward(
            gradient.data_ptr(), gradient.stride(0), x.data_ptr(), x.stride(0), norm.weight.data_ptr(),
            self.means.data_ptr(), self.rstds.data_ptr(), of_x.data_ptr(), of_x.stride(0),
            of_weight.data_ptr(), of_bias.data_ptr(), room.data_ptr(), len(x), width, self.n_inputs,
        )  # fmt: skip
        return of_x, of_weight, of_bias

    def _layers_backward(self, passes: list[LayerPass], gradient: Tensor) -> list[Tensor]:
        """Return the gradients of a stack's parameters, given that of what the heads see of it."""
        found: list[Tensor] = []
        end = self.n_inputs + sum(one.width for one in passes)
        for number, one in reversed(list(enumerate(passes))):
            begin = end - one.width
            of_source = gradient[:, begin - passes[number - 1].width : begin] if number else None
            found[:0] = one.backward(gradient[:, begin:end], of_source)
            end = begin
        return found


class _Loss(Function):
    """Has the gradients ready when autograd asks for them."""

    @staticmethod
    def forward(
        ctx: Any,
        native: Native,
        network: MLPF,
        weights: Tensor,
        x: Tensor,
        ptr: Tensor,
        y: Tensor,
        *_: Tensor,
    ) -> tuple[Tensor, Tensor]:
        sums, ctx.gradients = Step(native.kernels, network, x, ptr).gradients(y, weights)
        ctx.mark_non_differentiable(sums)
        return (sums * weights).sum(), sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _of_sums: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        torch._foreach_mul_(gradients, gradient)
        return (None, None, None, None, None, None, *gradients)


def native_loss(
    native: Native, network: MLPF, x: Tensor, ptr: Tensor, y: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a batch's loss, to be differentiated once, and the sums of its terms, as `training_loss` does.

    `weights` [7] multiply the sums.
    """
    loss, sums = _Loss.apply(native, network, weights, x, ptr, y, *native.parameters)  # type: ignore[no-untyped-call]
    return loss, sums


def native_outputs(native: Native, network: MLPF, x: Tensor, ptr: Tensor) -> HeadOutputs:
    """Return what the heads say of elements `x` [N, 12], without a history to differentiate."""
    return Step(native.kernels, network, x, ptr).outputs()


def _columns(n: int, width: int) -> Tensor:
    """Return room for n rows, whose columns beyond a width are zero up to where products are fast."""
    whole = torch.empty(n, aligned(width))
    whole[:, width:] = 0
    return whole
