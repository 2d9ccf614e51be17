"""The compiled kernels: which there are for this processor, and how they are called."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_float, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.mlpf.native.build import instruction_sets, library_name

VARIABLE = "MLPF_HPO_KERNELS"
"""Environment variable: `off` for PyTorch alone, or an instruction set; unset: the best of the processor."""

OFF = "off"

CPUINFO = Path("/proc/cpuinfo")

P, N, U, F = c_void_p, c_int64, c_uint64, c_float

ARGUMENTS = {
    "elu_dropout": (P, N, P, P, N, N, N, U, N, F),
    "elu_dropout_backward": (P, N, P, N, N, N, N, F),
    "hash_codes": (P, N, P, P, N, N, P),
    "sort_into_bins": (P, P, P, N, N, P, P, P),
    "gather_rows": (P, N, P, P, P, N, N),
    "neighbourhood": (P, P, P, P, N, N, P),
    "gate": (P, N, P, P, P, P, P, N, N, N, U, N, F),
    "gate_backward": (P, N, P, N, P, N, P, P, P, P, N, P, P, N, N, N, F),
    "send_backward": (P, P, N, P, P, P, N, P, N, N),
    "distances_backward": (P, P, P, P, N, N, P),
    "embedding_backward": (P, P, P, P, P, N, N),
    "encode": (P, P, N, P, N, N),
    "layer_norm": (P, N, P, P, F, P, N, P, P, N, N),
    "layer_norm_backward": (P, N, P, N, P, P, P, P, N, P, P, P, N, N, N),
    "loss": (P, P, P, P, N, P),
}
"""Types of the arguments of each function, as the C files have them."""

COUNTS = ("encode", "loss")
"""Functions that return how many elements they cannot read."""


def kernels_name() -> str:
    """Return the instruction set that is asked for, or else the best that this processor has.

    Raises
    ------
    ConfigurationError
        If the variable MLPF_HPO_KERNELS names neither.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked and asked != OFF and asked not in instruction_sets():
        known = ", ".join([OFF, *instruction_sets()])
        raise ConfigurationError(f"{VARIABLE}={asked}: must be one of {known}, or unset")
    return asked or _best()


@cache
def _best() -> str:
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return next(name for name, needed in instruction_sets().items() if flags.issuperset(needed))


def kernels() -> ctypes.CDLL | None:
    """Return the kernels, or None where they are switched off or were not built.

    Raises
    ------
    ConfigurationError
        If the variable MLPF_HPO_KERNELS asks for what this processor has not, or for what was not built.
    """
    name = kernels_name()
    if name == OFF:
        return None
    loaded = _load(name)
    if loaded is None and os.environ.get(VARIABLE):
        raise ConfigurationError(f"{VARIABLE}={name}: not built; run make setup where there is a C compiler")
    return loaded


@cache
def _load(name: str) -> ctypes.CDLL | None:
    wider = list(instruction_sets())[: list(instruction_sets()).index(_best())]
    if name in wider:
        raise ConfigurationError(f"{VARIABLE}={name}: this processor has {_best()}")
    path = Path(__file__).with_name("built") / library_name(name)
    return load(path) if path.exists() else None


def load(path: Path) -> ctypes.CDLL:
    """Return the kernels of a library."""
    library = ctypes.CDLL(str(path))
    for function, types in ARGUMENTS.items():
        found = getattr(library, function)
        found.argtypes, found.restype = types, (c_int64 if function in COUNTS else None)
    return library


def kernels_in_use() -> str:
    """Return the instruction set of the kernels, or why there are none, for the record."""
    if kernels_name() == OFF:
        return f"none: {VARIABLE}={OFF}"
    return "none: not built" if kernels() is None else kernels_name()
