"""The compiled kernels: which there are for this processor, and how they are called."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_float, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.mlpf.native.build import instruction_sets, library_name
from mlpf_hpo.mlpf.native.structures import Multiplier

VARIABLE = "MLPF_HPO_KERNELS"
"""Environment variable: `off` for PyTorch alone, or an instruction set; unset: the best of the processor."""

OFF = "off"

CPUINFO = Path("/proc/cpuinfo")

FASTER_HERE = {("AuthenticAMD", "avx512")}
"""Vendors of processors, and instruction sets, with which the kernels' own matrix products were measured to
be faster than the library's, to the same bits: MKL does not use these vectors of AMD's."""

P, N, F = c_void_p, c_int64, c_float

ARGUMENTS = {
    "hash_codes": (P, N, P, P, N, N, P),
    "layer_kept_bytes": (P,),
    "layer_work_bytes": (P,),
    "layer_forward": (P, P),
    "layer_backward": (P, P, P, N, P, N, P),
    "heads_weights_bytes": (P,),
    "heads_kept_bytes": (P, N),
    "heads_work_bytes": (P, N),
    "heads_prepare": (P, P),
    "heads_forward": (P, P, N, P, P, P, P, P, P),
    "heads_backward": (P, P, N, P, P, P, P, P, P, P, P),
    "encode": (P, P, N, P, N, N),
    "layer_norm": (P, N, P, P, F, P, N, P, P, N, N),
    "layer_norm_backward": (P, N, P, N, P, P, P, P, N, P, P, P, N, N, N),
    "loss": (P, P, P, P, N, P),
}
"""Types of the arguments of each function, as the C files have them."""

COUNTS = ("encode", "loss", *(name for name in ARGUMENTS if name.endswith("_bytes")))
"""Functions that return a number: of elements that they cannot read, or of bytes."""

LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib")
"""Where PyTorch's operations on a CPU are, and the SGEMM that it calls."""


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
    flags = set(_of_processor("flags").split())
    return next(name for name, needed in instruction_sets().items() if flags.issuperset(needed))


def _of_processor(name: str) -> str:
    """Return what Linux says of the first processor under a name, or nothing."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def kernels() -> ctypes.CDLL | None:
    """Return the kernels, or None where they are switched off, were not built, or find no matrix product.

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
    return None if matrix_product() is None else loaded


@cache
def matrix_product() -> int | None:
    """Return the address of the SGEMM of the BLAS that PyTorch itself calls; None if it hides it."""
    for name in LIBRARIES:
        path = Path(torch.__file__).with_name("lib") / name
        function = getattr(ctypes.CDLL(str(path)), "sgemm_", None) if path.exists() else None
        if function is not None:
            return ctypes.cast(function, c_void_p).value
    return None


def multiplier() -> Multiplier:
    """Return who makes the kernels' matrix products; nothing else decides."""
    return Multiplier(matrix_product(), (_vendor(), kernels_name()) in FASTER_HERE)


@cache
def _vendor() -> str:
    return _of_processor("vendor_id")


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
    if kernels() is not None:
        return kernels_name()
    return "none: not built" if matrix_product() is not None else "none: PyTorch shows no sgemm"
