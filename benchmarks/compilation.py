"""What torch.compile would bring to training steps, and how long it takes.

The network is not compiled in trainings: docs/performance.md has the numbers why. Compiled are the graph
layers and what the heads make of a block; the masks of dropout are drawn as ever.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch

from benchmarks.cases import CALM, LARGEST, batch_of, laptop_module, paper_module, ragged_step
from benchmarks.clock import Step, alternating
from benchmarks.levers import pytorch_alone
from mlpf_hpo.config import Params
from mlpf_hpo.mlpf import dropout
from mlpf_hpo.mlpf.module import MLPFModule

SHAPES = 64
"""Most shapes that one function is compiled for: each layer and head has its own."""


def compilation(quick: bool) -> dict[str, float]:
    """Measure steps with and without, and the seconds to compile; nothing where there is no compiler."""
    if not possible():
        return {}
    found = {}
    for case, (make, sizes, rounds) in {
        "paper": (paper_module, [LARGEST], 7),
        "default": (laptop_module, [CALM] * Params().training.batch_events, 50),
    }.items():
        numbers = compared(make(), make(), sizes, 1 if quick else rounds)
        found |= {f"compilation.{case}.{name}": value for name, value in numbers.items()}
    return found


def possible() -> bool:
    """Tell whether there is the C++ compiler that torch.compile needs."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def compared(module: MLPFModule, other: MLPFModule, sizes: list[int], rounds: int) -> dict[str, float]:
    """Compile the other module, and return its step beside that of the first on events of these sizes."""
    batch = batch_of(sizes)
    plain = ragged_step(module, batch)
    with from_scratch():
        compile_parts(other)
        step = ragged_step(other, batch)
        first, second = wall_seconds(step), wall_seconds(step)
        times = alternating({"plain": plain, "compiled": step}, rounds)
    ratios = [slow / fast for slow, fast in zip(times["plain"], times["compiled"], strict=True)]
    return {
        "seconds": first - second,
        "without_ms": 1e3 * statistics.median(times["plain"]),
        "with_ms": 1e3 * statistics.median(times["compiled"]),
        "speedup": statistics.median(ratios),
        "speedup_least": min(ratios),
        "speedup_most": max(ratios),
    }


def compile_parts(module: MLPFModule, backend: str = "inductor") -> None:
    """Let the graph layers and the heads of a module be compiled when they are first used."""
    network = module.network
    for layer in [*network.id_layers, *network.reg_layers]:
        layer.compile(backend=backend, dynamic=False)
    network.particles = torch.compile(network.particles, backend=backend, dynamic=False)  # type: ignore[method-assign]


@contextmanager
def from_scratch() -> Iterator[None]:
    """Compile without what earlier runs have left, for as many shapes as there are."""
    mask = torch.compiler.disable(dropout.dropout_mask)  # type: ignore[no-untyped-call]
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=folder),
        pytorch_alone(),  # what is compiled is PyTorch's own path
        # NumPy cuts the masks, which a compiled function cannot.
        mock.patch.object(dropout, "dropout_mask", mask),
        torch._dynamo.config.patch(recompile_limit=SHAPES),
    ):
        yield


def wall_seconds(step: Step) -> float:
    """Return what a step takes by the clock on the wall: compilers work in processes of their own."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin
