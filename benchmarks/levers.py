"""What each lever brings: a training step at the paper's widths, with it and without it, in turns.

The kernels have a switch. The other levers are those of PyTorch's own path, which is taken without kernels
and has no switches: what is without a lever has the plain part of `benchmarks.plain` patched into it, and all
other levers.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

from torch.nn import functional

from benchmarks.cases import LONGEST, batch_of, mixed_sizes, paper_module, ragged_step
from benchmarks.clock import DEVICE, Step, alternating
from benchmarks.plain import (
    dropout_by_draws,
    gate_by_autograd,
    layer_of_separate_products,
    separate_heads,
)
from mlpf_hpo.hardware.memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory
from mlpf_hpo.mlpf import blockwise
from mlpf_hpo.mlpf.native.kernels import OFF, VARIABLE, kernels

Without = Callable[[], AbstractContextManager[Any]]

MIB = 2**20


@contextmanager
def patched(**parts: Any) -> Any:
    """Put plain parts into `mlpf_hpo.mlpf`, by module or class and name: ``layers__elu``."""
    with ExitStack() as stack:
        for place, plain in parts.items():
            stack.enter_context(mock.patch(f"mlpf_hpo.mlpf.{place.replace('__', '.')}", plain))
        yield


def pytorch_alone() -> AbstractContextManager[Any]:
    """Compute without the kernels."""
    return mock.patch.dict(os.environ, {VARIABLE: OFF})


@contextmanager
def memory_given_back() -> Any:
    """Let the C library give freed memory back at the thresholds that glibc itself grows to, mallopt(3)."""
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_THRESHOLD, 32 * MIB)
    library.mallopt(M_TRIM_THRESHOLD, 64 * MIB)
    try:
        yield
    finally:
        keep_freed_memory()


LEVERS: dict[str, Without] = {
    "layer_product": lambda: patched(layers__GraphLayer__forward=layer_of_separate_products),
    "head_products": lambda: patched(heads__Heads__forward=separate_heads),
    "aligned_widths": lambda: patched(network__aligned=lambda width: width),
    "mask_words": lambda: patched(dropout__Dropout__forward=dropout_by_draws),
    "elu_by_exp": lambda: patched(layers__elu=functional.elu, heads__elu=functional.elu),
    "gate_gradient": lambda: patched(layers__gated=gate_by_autograd),
    "blocks": lambda: mock.patch.dict(blockwise.BLOCK, dict.fromkeys(blockwise.BLOCK, sys.maxsize)),
    "kept_memory": memory_given_back,
}
"""Name -> what takes the lever away; `ragged` is the batch's, and `kernels` is in none of these."""

ROUNDS = 5


def levers(quick: bool) -> dict[str, float]:
    """Measure each lever on one event of mixed size; quickly, on a quarter of it."""
    part = 4 if quick else 1
    (elements,) = mixed_sizes(1)
    module = paper_module()
    rounds = 1 if quick else ROUNDS
    step = ragged_step(module, batch_of([elements // part]))
    found = compared(step, {"kernels": within(pytorch_alone, step)}, rounds) if kernels() else {}
    with pytorch_alone():
        works = {"ragged": ragged_step(module, batch_of([LONGEST // part]))}
        works |= {name: within(without, step) for name, without in LEVERS.items() if possible(name)}
        return found | compared(step, works, rounds)


def possible(lever: str) -> bool:
    """Tell whether a lever has anything to move on this device and with this C library."""
    if lever == "kept_memory":
        return DEVICE == "cpu" and keep_freed_memory()
    return lever != "mask_words" or DEVICE == "cpu"


def within(without: Without, step: Step) -> Step:
    """Return the step with something taken away."""

    def plain() -> None:
        with without():
            step()

    return plain


def compared(step: Step, works: Mapping[str, Step], rounds: int) -> dict[str, float]:
    """Return milliseconds with and without each lever, and the median, least and largest difference.

    Each is done twice in a row, and the second time counts: what the other one left in memory and in caches
    is gone by then.
    """
    found = {}
    for name, without in works.items():
        turns = {"settling": step, "with": step, "settling without": without, "without": without}
        times = alternating(turns, rounds)
        saved = [1e3 * (slow - fast) for slow, fast in zip(times["without"], times["with"], strict=True)]
        found |= {
            f"levers.{name}.with_ms": 1e3 * statistics.median(times["with"]),
            f"levers.{name}.without_ms": 1e3 * statistics.median(times["without"]),
            f"levers.{name}.saved_ms": statistics.median(saved),
            f"levers.{name}.saved_ms_least": min(saved),
            f"levers.{name}.saved_ms_most": max(saved),
        }
    return found
