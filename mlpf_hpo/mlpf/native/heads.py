"""The heads' way forward and back over blocks of elements, as the kernels take it."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import CDLL, Array, addressof, byref, c_void_p
from dataclasses import dataclass

from torch import Tensor

from mlpf_hpo.events.schema import N_CLASSES
from mlpf_hpo.mlpf.dropout import Dropping
from mlpf_hpo.mlpf.heads import HeadOutputs, aligned
from mlpf_hpo.mlpf.native.kernels import multiplier
from mlpf_hpo.mlpf.native.layout import Layout
from mlpf_hpo.mlpf.native.structures import AllHeads, room

N_OUTPUTS = 12
"""Columns of what the heads say of an element, as the kernels have them."""


@dataclass(frozen=True)
class Block:
    """Some elements: where the inputs of the heads are, and their outputs [n, 12] that become gradients."""

    n: int
    id_input: int
    reg_input: int
    out: int


class HeadsPass:
    """All heads in one step.

    Parameters
    ----------
    kernels : CDLL
        See `kernels`.
    layout : Layout
        Their widths.
    parameters : sequence of int
        The addresses of theirs, in order.
    dropping : Dropping
        Their dropout.
    most : int
        Elements of the largest block.
    """

    def __init__(
        self, kernels: CDLL, layout: Layout, parameters: Sequence[int], dropping: Dropping, most: int
    ) -> None:
        self.kernels = kernels
        self.parameters = addresses(parameters)
        self.heads = AllHeads(
            multiplier(), layout.id_dim, layout.reg_dim, aligned(layout.id_dim), aligned(layout.reg_dim),
            layout.hidden, layout.widths, addressof(self.parameters), dropping.dropped, dropping.scale,
        )  # fmt: skip
        self.this = byref(self.heads)
        self.weights = room(kernels.heads_weights_bytes(self.this))
        self.kept = room(kernels.heads_kept_bytes(self.this, most))
        self.work = room(kernels.heads_work_bytes(self.this, most))
        kernels.heads_prepare(self.this, self.weights.data_ptr())

    def forward(self, block: Block, seeds: int) -> None:
        """Write a block's outputs; `seeds` is where those of its masks are."""
        self.kernels.heads_forward(
            self.this, self.weights.data_ptr(), block.n, block.id_input, block.reg_input, seeds,
            self.kept.data_ptr(), self.work.data_ptr(), block.out,
        )  # fmt: skip

    def backward(self, block: Block, of_id: int, of_reg: int, found: Array[c_void_p]) -> None:
        """Write the gradients of a block's inputs, given those of its outputs, and of the parameters."""
        self.kernels.heads_backward(
            self.this, self.weights.data_ptr(), block.n, block.id_input, block.reg_input,
            self.kept.data_ptr(), self.work.data_ptr(), block.out, of_id, of_reg, found,
        )  # fmt: skip


def addresses(places: Sequence[int]) -> Array[c_void_p]:
    """Return addresses as an array in C."""
    return (c_void_p * len(places))(*places)


def as_head_outputs(out: Tensor) -> HeadOutputs:
    """Return the columns of outputs [N, 12] by their names."""
    logits, phi = out[:, :N_CLASSES], out[:, 8:10]
    charge, eta, energy, pt = (out[:, column] for column in (6, 7, 10, 11))
    return HeadOutputs(logits, charge, eta, phi, energy, pt)
