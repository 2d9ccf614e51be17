"""Several trials at once on one device, each a process of its own as under Ray: throughput and energy."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from multiprocessing.synchronize import Event as Signal
from typing import Any

import torch

from benchmarks.cases import CALM, batch_of, laptop_module, ragged_step
from benchmarks.clock import DEVICE, now
from mlpf_hpo.config import Params
from mlpf_hpo.hardware.energy import NvmlMeter

AT_ONCE, QUICK_AT_ONCE = (1, 2, 4, 8), (1, 2)
WINDOW, QUICK_WINDOW = 8.0, 0.5
"""Seconds that the trials of each number train."""

PATIENCE = 300.0
"""Seconds within which a process has begun."""


def trials_at_once(quick: bool) -> dict[str, Any]:
    """Measure how many steps per second so many trials make together, and what energy a step takes.

    Networks at the defaults of params.yaml: those leave most of a GPU unused.
    """
    found: dict[str, Any] = {}
    for n in QUICK_AT_ONCE if quick else AT_ONCE:
        rate, joules = measured(n, QUICK_WINDOW if quick else WINDOW)
        found[f"trials.{n}.steps_per_second"] = rate
        found[f"trials.{n}.joules_per_step"] = joules
        found[f"trials.{n}.gain"] = rate / found["trials.1.steps_per_second"]
    return found


def measured(n: int, window: float) -> tuple[float, float | None]:
    """Return steps per second of n processes together, and joules per step where there is a meter."""
    context = multiprocessing.get_context("spawn")
    begin, end, counts = context.Barrier(n + 1), context.Event(), context.Queue()
    processes = [context.Process(target=_train, args=(begin, end, counts), daemon=True) for _ in range(n)]
    for process in processes:
        process.start()
    begin.wait(PATIENCE)
    meter = NvmlMeter([0]) if DEVICE == "cuda" else None
    started = time.perf_counter()
    time.sleep(window)
    end.set()
    steps = sum(counts.get(timeout=PATIENCE) for _ in processes)
    taken = time.perf_counter() - started
    energy = meter.read().joules if meter is not None else None
    for process in processes:
        process.join()
    return steps / taken, None if energy is None else energy / steps


def _train(begin: Barrier, end: Signal, counts: Any) -> None:
    torch.set_num_threads(1)
    step = ragged_step(laptop_module(), batch_of([CALM] * Params().training.batch_events))
    step()
    begin.wait(PATIENCE)
    steps = 0
    while not end.is_set():
        step()
        now()  # waits until the device is done
        steps += 1
    counts.put(steps)
