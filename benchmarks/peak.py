"""The most memory that some work takes, in a process of its own: none finds memory that another has left.

What is imported here, every such process imports.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import psutil
import torch

from benchmarks.clock import DEVICE, Step
from mlpf_hpo.hardware.memory import forget_peak_memory, peak_memory


def peak_of(made: Callable[[int], Step], n_events: int) -> int:
    """Return the bytes that a step adds at its peak to a process in which it is ready to begin.

    The process is spawned, not forked: the memory of a fork's code would count as the step's.
    """
    alone = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=alone) as process:
        return process.submit(_peak_here, made, n_events).result()


def _peak_here(made: Callable[[int], Step], n_events: int) -> int:
    torch.set_num_threads(1)
    step = made(n_events)
    if DEVICE != "cpu":
        torch.cuda.reset_peak_memory_stats()
        ready = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - ready
    if not forget_peak_memory():
        raise SystemExit("the peak of a process's memory can only be measured on Linux")
    ready = psutil.Process().memory_info().rss
    step()
    return peak_memory() - ready
