"""How long work takes: in turns, so that what else the machine does hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

Step = Callable[[], None]


def alternating(works: Mapping[str, Step], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each work, done in turns after one round that warms up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            taken = seconds(work)
            if number:
                times[name].append(taken)
    return times


def seconds(work: Step) -> float:
    """Return what some work takes: processor time, or wall time where a GPU works."""
    begin = now()
    work()
    return now() - begin


def now() -> float:
    """Return processor time, or wall time once the GPU is done, in seconds."""
    if DEVICE == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def speedup(times: Mapping[str, Sequence[float]], slow: str, fast: str) -> float:
    """Return the median over rounds of how much longer `slow` takes."""
    return statistics.median(s / f for s, f in zip(times[slow], times[fast], strict=True))
