"""The kernels in C, called on tensors: sizes and strides are checked here, where Python hands them over."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_float, c_int64, c_uint64, c_void_p
from functools import cache

import torch
from torch import Tensor

P, I, U, F = c_void_p, c_int64, c_uint64, c_float
SIGNATURES = {
    "elu_dropout": (P, I, P, P, I, I, I, U, I, I, F),
    "elu_dropout_backward": (P, I, P, I, I, I, I, F),
    "add_column_sums": (P, I, I, I, P),
    "hash_codes": (P, I, P, P, I, I, P),
    "sort_into_bins": (P, P, P, I, I, P, P, P),
    "gather_rows": (P, I, P, P, P, I, I),
    "neighbourhood": (P, P, P, P, I, I, P),
    "gate": (P, I, P, P, P, P, P, I, I, I, U, I, F),
    "gate_backward": (P, I, P, I, P, I, P, P, P, P, I, P, P, P, I, I, I, F),
    "send_backward": (P, P, I, P, P, P, I, P, I, I),
    "distances_backward": (P, P, P, P, I, I, P),
    "embedding_backward": (P, P, P, P, P, I, I),
    "encode": (P, P, I, P, I, I),
    "layer_norm": (P, I, P, P, F, P, I, P, P, I, I),
    "layer_norm_backward": (P, I, P, I, P, P, P, P, I, P, P, I, I, I),
    "loss": (P, P, P, P, I, P),
}


@cache
def kernels() -> ctypes.CDLL | None:
    path = os.environ.get("K", "/tmp/k512.so")
    lib = ctypes.CDLL(path)
    for name, types in SIGNATURES.items():
        f = getattr(lib, name)
        f.argtypes, f.restype = types, None
    return lib
