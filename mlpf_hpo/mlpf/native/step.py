"""A batch's loss with all its gradients, or its reconstruction, computed by hand: no autograd, kernels in C.

Same network, same numbers but for rounding, same dropout masks as `MLPF` and `training_loss`, which say what
is computed and are taken wherever this does not apply.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from ctypes import addressof, byref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import Function

from mlpf_hpo.errors import DataError
from mlpf_hpo.events.schema import N_CLASSES, N_FEATURES, N_TARGETS
from mlpf_hpo.mlpf.blocks import BLOCK, blocks
from mlpf_hpo.mlpf.dropout import Dropping, draw_seeds
from mlpf_hpo.mlpf.heads import HeadOutputs, aligned
from mlpf_hpo.mlpf.native.bins import Bins
from mlpf_hpo.mlpf.native.choice import Native
from mlpf_hpo.mlpf.native.heads import N_OUTPUTS, Block, HeadsPass, addresses, as_head_outputs
from mlpf_hpo.mlpf.native.kernels import multiplier
from mlpf_hpo.mlpf.native.layout import LAYER_PARAMETERS, N_INPUTS
from mlpf_hpo.mlpf.native.structures import FLOAT_BYTES, SEED_BYTES, GraphLayerPass, room

if TYPE_CHECKING:
    from mlpf_hpo.mlpf.network import MLPF


class Step:
    """One pass over a batch.

    Parameters
    ----------
    native : Native
        The kernels, and what they take of `network`.
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

    def __init__(self, native: Native, network: MLPF, x: Tensor, ptr: Tensor) -> None:
        self.c, self.native, self.layout, self.x = native.kernels, native, native.layout, x
        self.epsilon = network.norm.eps
        if x.shape[1:] != (N_FEATURES,):
            raise DataError(f"features must be [N, {N_FEATURES}], not {list(x.shape)}")
        columns = min((one.shape[1] for one in native.hyperplanes), default=sys.maxsize)
        self.bins = Bins.of(ptr.to(torch.int64).contiguous(), len(x), network.bin_size, columns)
        self.batch_bins = self.bins.for_kernels()
        # What the heads see, with zeros up to a width at which products are fast.
        self.seen = [_columns(len(x), dim) for dim in (self.layout.id_dim, self.layout.reg_dim)]
        (of_id, id_width), (of_reg, reg_width) = map(_place, self.seen)
        unknown = self.c.encode(x.data_ptr(), of_id, id_width, of_reg, reg_width, len(x))
        if unknown:
            raise DataError(f"{unknown} of {len(x)} elements are of no type: 0, 1 or 2 in the first column")
        self.at = [one.data_ptr() for one in native.parameters]
        *of_layers, of_heads = (Dropping.of(p, network.training) for p in native.dropouts)
        self.blocks = blocks(len(x), BLOCK["cpu"])
        most = max(rows.stop - rows.start for rows in self.blocks)
        self.heads = HeadsPass(self.c, self.layout, self.at[self.layout.norm_at + 2 :], of_heads, most)
        n_of_layers = sum(one.dropped > 0 for one in of_layers)
        self.masks_of_block = self.layout.n_masks if of_heads.dropped else 0
        seeds = draw_seeds(n_of_layers + len(self.blocks) * self.masks_of_block)
        self.head_seeds = seeds[n_of_layers:]
        self.layers = list(self._layers(of_layers, iter(seeds[:n_of_layers].tolist())))

    def _layers(self, dropping: Sequence[Dropping], seeds: Iterator[int]) -> Iterator[GraphLayerPass]:
        """Yield the layers of both stacks, each with its place in what the heads see."""
        layout, product, bins = self.layout, multiplier(), addressof(self.batch_bins)
        for number, (p, hyperplanes) in enumerate(zip(dropping, self.native.hyperplanes, strict=True)):
            in_second, place = layout.stack_of(number)
            in_dim = layout.width if place else N_INPUTS
            seen, ld = _place(self.seen[in_second])
            out = seen + FLOAT_BYTES * (N_INPUTS + place * layout.width)
            parameters = self.at[LAYER_PARAMETERS * number : LAYER_PARAMETERS * (number + 1)]
            yield GraphLayerPass(
                product, bins, in_dim, layout.width, layout.embedding_dim, hyperplanes.shape[1], *parameters,
                hyperplanes.data_ptr(), p.dropped, p.scale, out - FLOAT_BYTES * in_dim, ld, out, ld,
                next(seeds) if p.dropped else 0,
            )  # fmt: skip

    def _layers_forward(self, keep: bool) -> None:
        """Fill `seen`, and `normed`, what class and charge see; layers `keep` what their way back needs."""
        sizes = [self.c.layer_kept_bytes(byref(one)) for one in self.layers]
        self.kept = room(sum(sizes) if keep else max(sizes, default=0))
        self.work = room(max((self.c.layer_work_bytes(byref(one)) for one in self.layers), default=0))
        at = self.kept.data_ptr()
        for one, size in zip(self.layers, sizes, strict=True):
            one.kept = at
            self.c.layer_forward(byref(one), self.work.data_ptr())
            at += size if keep else 0
        n, (x, ld), width = len(self.x), _place(self.seen[0]), self.layout.id_dim
        self.normed, self.means, self.rstds = _columns(n, width), torch.empty(n), torch.empty(n)
        weight, bias = self.at[self.layout.norm_at :][:2]
        self.c.layer_norm(
            x, ld, weight, bias, self.epsilon, self.normed.data_ptr(), ld, self.means.data_ptr(),
            self.rstds.data_ptr(), n, width,
        )  # fmt: skip

    def _heads_forward(self, number: int, rows: slice, out: int) -> Block:
        """Write the outputs of a block, [n, 12]."""
        of_id, of_reg = (_row(one, rows.start) for one in (self.normed, self.seen[1]))
        block = Block(rows.stop - rows.start, of_id, of_reg, out)
        self.heads.forward(block, self.head_seeds.ctypes.data + SEED_BYTES * number * self.masks_of_block)
        return block

    def outputs(self) -> HeadOutputs:
        """Return what the heads say."""
        self._layers_forward(keep=False)
        out = torch.empty(len(self.x), N_OUTPUTS)
        for number, rows in enumerate(self.blocks):
            self._heads_forward(number, rows, _row(out, rows.start))
        return as_head_outputs(out)

    def gradients(self, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of the loss's terms [7], and the gradients of all parameters of their weighted sum.

        They stand one after the other, as the layout says.

        Raises
        ------
        DataError
            If targets `y` [N, 7] are not of these elements, or of a class that there is not.
        """
        if y.shape != (len(self.x), N_TARGETS):
            raise DataError(f"targets must be [{len(self.x)}, {N_TARGETS}], not {list(y.shape)}")
        y, weights = (one.to(torch.float32).contiguous() for one in (y, weights))
        self._layers_forward(keep=True)
        layout, found = self.layout, torch.empty(self.layout.offsets[-1])
        of_heads = found[layout.offsets[layout.norm_at + 2] :]
        of_inputs = torch.empty_like(self.normed), torch.empty_like(self.seen[1])
        sums, unknown = torch.zeros(N_TARGETS, dtype=torch.float64), 0
        for number, rows in enumerate(self.blocks):
            of_block = torch.empty_like(of_heads) if number else of_heads
            out = torch.empty(rows.stop - rows.start, N_OUTPUTS)
            block = self._heads_forward(number, rows, out.data_ptr())
            unknown += self.c.loss(
                block.out, _row(self.x, rows.start), _row(y, rows.start), weights.data_ptr(), block.n,
                sums.data_ptr(),
            )  # fmt: skip
            places = [of_block.data_ptr() + FLOAT_BYTES * offset for offset in layout.head_offsets]
            of_id, of_reg = (_row(one, rows.start) for one in of_inputs)
            self.heads.backward(block, of_id, of_reg, addresses(places))
            if number:
                of_heads += of_block
        if unknown:
            raise DataError(
                f"{unknown} of {len(y)} targets are of no class: 0 to {N_CLASSES - 1} in the first column"
            )
        of_seen = self._norm_backward(of_inputs[0], found), of_inputs[1]
        self._layers_backward(of_seen, found)
        return sums.float(), found

    def _norm_backward(self, gradient: Tensor, found: Tensor) -> Tensor:
        """Return the gradient of the norm's input, where layers made it; write those of its parameters."""
        (x, ld), width, first = _place(self.seen[0]), self.layout.id_dim, self.layout.norm_at
        of_norm, of_x, work = (
            found[self.layout.offsets[first] :],
            torch.empty_like(gradient),
            torch.empty(2, width),
        )
        of_norm[: 2 * width] = 0
        self.c.layer_norm_backward(
            gradient.data_ptr(), ld, x, ld, self.at[first], self.means.data_ptr(), self.rstds.data_ptr(),
            of_x.data_ptr(), ld, of_norm.data_ptr(), of_norm.data_ptr() + FLOAT_BYTES * width,
            work.data_ptr(), len(self.x), width, N_INPUTS,
        )  # fmt: skip
        return of_x

    def _layers_backward(self, gradients: Sequence[Tensor], found: Tensor) -> None:
        """Write the gradients of the layers' parameters, given those of what the heads see of both stacks."""
        layout, places = self.layout, [_place(one) for one in gradients]
        for number in reversed(range(len(self.layers))):
            in_second, place = layout.stack_of(number)
            at, ld = places[in_second]
            of_out = at + FLOAT_BYTES * (N_INPUTS + place * layout.width)
            of_x = of_out - FLOAT_BYTES * layout.width if place else None
            first = found.data_ptr() + FLOAT_BYTES * layout.offsets[LAYER_PARAMETERS * number]
            self.c.layer_backward(
                byref(self.layers[number]), self.work.data_ptr(), of_out, ld, of_x, ld, first
            )


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
        sums, ctx.gradients = Step(native, network, x, ptr).gradients(y, weights)
        ctx.layout = native.layout
        ctx.mark_non_differentiable(sums)
        return (sums * weights).sum(), sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _of_sums: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        gradients *= gradient
        parts = zip(gradients.split(ctx.layout.sizes), ctx.layout.shapes, strict=True)
        return (None, None, None, None, None, None, *(one.view(shape) for one, shape in parts))


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
    return Step(native, network, x, ptr).outputs()


def _columns(n: int, width: int) -> Tensor:
    """Return room for n rows, whose columns beyond a width are zero up to where products are fast."""
    whole = torch.empty(n, aligned(width))
    whole[:, width:] = 0
    return whole


def _place(rows: Tensor) -> tuple[int, int]:
    """Return where a matrix begins, and the distance of its rows in numbers."""
    return rows.data_ptr(), rows.stride(0)


def _row(matrix: Tensor, number: int) -> int:
    """Return where a row begins."""
    return matrix.data_ptr() + FLOAT_BYTES * number * matrix.stride(0)
