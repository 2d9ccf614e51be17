"""The parameters of a network as the kernels expect them: which there are, and of what shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ctypes import Array, c_int64
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from math import prod
from typing import Any

from torch import Tensor

from mlpf_hpo.events.schema import N_CLASSES, N_FEATURES
from mlpf_hpo.mlpf.native.structures import MOST_HIDDEN, N_GROUPS

Shape = tuple[int, ...]

N_INPUTS = 3 + N_FEATURES - 1
"""What the first graph layers read: one-hot type and the other features."""

LAYER_PARAMETERS = 6
"""Those of a graph layer: gate_bias, weight and bias of embed_in and of embed_out, the message's weight."""

OUTPUTS = (N_CLASSES, 1, 1, 2, 1, 1)
"""What the heads give: class, charge, eta, phi, energy, pt."""

ETA, ENERGY = 2, 4
"""Heads from here on see the logits, and what the second stack leaves; each is the first of a pair."""

FIRST_HEADS = (0, 1, ETA, ENERGY)
"""The first head of each group."""


@dataclass(frozen=True)
class Layout:
    """Where the parameters of a network are, one after the other in its order.

    Attributes
    ----------
    shapes : tuple
        Of all parameters.
    sizes, offsets : list of int
        Numbers that each has, and that come before it; the last offset says how many there are.
    n_layers : tuple of int
        Graph layers of both stacks; the parameter `norm_at` is the first that is of none.
    norm_at, width, embedding_dim, id_dim, reg_dim : int
        Widths are those of the graph layers, and of what the heads read.
    hidden, widths : ctypes array
        Hidden layers of each group of heads, and their widths.
    n_masks : int
        Dropout masks of all groups.
    head_offsets : list of int
        Offsets of the heads' parameters, from their first.
    """

    shapes: tuple[Shape, ...]
    sizes: list[int]
    offsets: list[int]
    n_layers: tuple[int, int]
    norm_at: int
    width: int
    embedding_dim: int
    id_dim: int
    reg_dim: int
    hidden: Array[c_int64]
    widths: Any
    n_masks: int
    head_offsets: list[int]

    def has(self, hyperplanes: Sequence[Tensor]) -> bool:
        """Return whether these directions are those of the graph layers."""
        return len(hyperplanes) == sum(self.n_layers) and all(
            one.ndim == 2 and len(one) == self.embedding_dim for one in hyperplanes
        )

    def stack_of(self, number: int) -> tuple[bool, int]:
        """Return whether a layer, counted through both stacks, is in the second, and its place there."""
        in_second = number >= self.n_layers[0]
        return in_second, number - self.n_layers[0] * in_second


@cache
def layout_of(shapes: tuple[Shape, ...], n_layers: tuple[int, int], hidden: tuple[int, ...]) -> Layout | None:
    """Return the layout of parameters of these shapes, or None if the kernels are not for such a network.

    `hidden` counts the hidden layers of each head.
    """
    at = LAYER_PARAMETERS * sum(n_layers)
    ends = list(accumulate((2 * (depth + 1) for depth in hidden), initial=at + 2))
    if (
        len(hidden) != len(OUTPUTS)
        or not all(0 < n <= MOST_HIDDEN for n in hidden)
        or len(shapes) != ends[-1]
    ):
        return None
    width, d = (shapes[0][0], shapes[2][0]) if at else (0, 0)
    id_dim, reg_dim = (N_INPUTS + n * width for n in n_layers)
    of_heads = [[shape[0] for shape in shapes[begin : end - 2 : 2]] for begin, end in pairwise(ends)]
    of_norm = ((id_dim,), (id_dim,))
    expected = (*_of_layers(n_layers, width, d), *of_norm, *_of_heads(id_dim, reg_dim, of_heads))
    if shapes != expected or any(of_heads[head] != of_heads[head + 1] for head in (ETA, ENERGY)):
        return None
    sizes, groups = [prod(shape) for shape in shapes], [of_heads[first] for first in FIRST_HEADS]
    return Layout(
        shapes=shapes,
        sizes=sizes,
        offsets=list(accumulate(sizes, initial=0)),
        n_layers=n_layers,
        norm_at=at,
        width=width,
        embedding_dim=d,
        id_dim=id_dim,
        reg_dim=reg_dim,
        hidden=(c_int64 * N_GROUPS)(*map(len, groups)),
        widths=(c_int64 * MOST_HIDDEN * N_GROUPS)(*((c_int64 * MOST_HIDDEN)(*group) for group in groups)),
        n_masks=sum(map(len, groups)),
        head_offsets=list(accumulate(sizes[at + 2 : -1], initial=0)),
    )


def _of_layers(n_layers: Sequence[int], width: int, d: int) -> Iterator[Shape]:
    for number in n_layers:
        for dim in [N_INPUTS, *[width] * number][:number]:
            yield from ((width,), (d, dim), (d,), (d, d), (d,), (3 * width, dim))


def _of_heads(id_dim: int, reg_dim: int, hidden: Sequence[Sequence[int]]) -> Iterator[Shape]:
    for head, (widths, out) in enumerate(zip(hidden, OUTPUTS, strict=True)):
        dim = id_dim + (N_CLASSES if head >= ETA else 0) + (reg_dim if head >= ENERGY else 0)
        for before, after in pairwise((dim, *widths, out)):
            yield from ((after, before), (after,))
