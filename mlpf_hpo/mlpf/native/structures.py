"""Structures of the C headers: what the kernels take of a batch's bins, of a graph layer and of the heads."""

from __future__ import annotations

from ctypes import Structure, c_float, c_int64, c_uint64, c_void_p

import torch
from torch import Tensor

FLOAT_BYTES, SEED_BYTES = 4, 8

N_GROUPS, MOST_HIDDEN = 4, 8
"""Groups of heads - class; charge; eta and phi; energy and pt - and the most hidden layers that one has."""


class BatchBins(Structure):
    """`batch_bins` of graph_layer.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("ptr", "first_slot", "hyperplanes", "filled")),
        *((name, c_int64) for name in ("n", "events", "bins", "size", "most")),
    )


class Multiplier(Structure):
    """`multiplier` of products.h: the address of the SGEMM, and whether kernels make products instead."""

    _fields_ = (("library", c_void_p), ("here", c_int64))


class GraphLayerPass(Structure):
    """`graph_layer` of graph_layer.h: one layer in one pass.

    `product` makes its products, `kept` is where the way back finds what the way forward left. x and
    out are columns of wider matrices, whose rows are `ldx` and `ldo` numbers apart.
    """

    _fields_ = (
        *(("product", Multiplier), ("bins", c_void_p)),
        *((name, c_int64) for name in ("in", "width", "d", "hash_columns")),
        *((name, c_void_p) for name in ("gate_bias", "embed_in_weight", "embed_in_bias")),
        *(
            (name, c_void_p)
            for name in ("embed_out_weight", "embed_out_bias", "message_weight", "hyperplanes")
        ),
        *(("dropped", c_int64), ("scale", c_float)),
        *(("x", c_void_p), ("ldx", c_int64), ("out", c_void_p), ("ldo", c_int64)),
        *(("seed", c_uint64), ("kept", c_void_p)),
    )


class AllHeads(Structure):
    """`all_heads` of heads.h: the heads in one step."""

    _fields_ = (
        ("product", Multiplier),
        *((name, c_int64) for name in ("id_dim", "reg_dim", "id_width", "reg_width")),
        ("hidden", c_int64 * N_GROUPS),
        ("widths", c_int64 * MOST_HIDDEN * N_GROUPS),
        *(("parameters", c_void_p), ("dropped", c_int64), ("scale", c_float)),
    )


def room(n_bytes: int) -> Tensor:
    """Return room for kernels to work in."""
    return torch.empty(n_bytes, dtype=torch.uint8)
