"""Training on one GPU, all of it in at most eight minutes: one script for a device that is lent for a while.

    python -m benchmarks.gpu [PART ...] [--quick] [--json FILE]

Parts, in the order of what matters most if time runs out; FILE is written after each:
precision  a training step in float32, TF32 and bfloat16, and its share of what square products reach in each
padded     ragged batches beside events padded to 6,400 and to the batch's longest; peak memory
trials     several trials at once on the device: steps per second and energy for each number of them
graphs     steps replayed as a CUDA graph beside steps that are launched; or why they cannot be captured
compile    torch.compile: what it brings, and how long it takes

``--quick`` takes small events, and so the script can be tried without a GPU, whose numbers then say nothing
of one. `python -m benchmarks.gpu_page FILE` makes docs/performance-gpu.md of the JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks.cases import (
    LARGEST,
    LONGEST,
    batch_of,
    laptop_module,
    mixed_sizes,
    padded_step,
    paper_module,
    ragged_step,
)
from benchmarks.clock import DEVICE, Step, alternating, seconds, speedup
from benchmarks.command import command, print_numbers
from benchmarks.compilation import compared, possible
from benchmarks.gpu_trials import trials_at_once
from benchmarks.padded import slots_for
from benchmarks.training import machine
from mlpf_hpo.files import write_json
from mlpf_hpo.mlpf.flop import training_flop

LIMIT_SECONDS = 480.0
"""Of the whole script: no part begins that would end later."""

NEEDED = {"precision": 60.0, "padded": 45.0, "trials": 90.0, "graphs": 30.0, "compile": 150.0}
"""Seconds that each part takes at most, generously."""

PER_COMPARISON = 8.0
"""Seconds for the turns of one comparison."""

MOST_ROUNDS, LEAST_ROUNDS = 200, 3
ORDER, QUICK_ORDER = 8192, 256
"""Of the square matrices whose product is the peak."""

SMALL = [96, 64]
"""Elements of the events with ``--quick``."""

PADDED_EVENTS = 4

Numbers = dict[str, Any]


@contextmanager
def float32() -> Iterator[None]:
    """Compute products of float32 in float32."""
    with _products("highest"):
        yield


@contextmanager
def tf32() -> Iterator[None]:
    """Let products of float32 round their factors to TF32."""
    with _products("high"):
        yield


@contextmanager
def bf16() -> Iterator[None]:
    """Compute products in bfloat16, as trainings with mixed precision do."""
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        yield


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


PRECISIONS = {"float32": float32, "tf32": tf32, "bf16": bf16}


def precision(quick: bool) -> Numbers:
    """Measure a step in each precision, and beside it square products that go on for as long."""
    found: Numbers = {}
    sizes = SMALL if quick else [LARGEST]
    for case, make in {"paper": paper_module, "default": laptop_module}.items():
        module, batch = make(), batch_of(sizes)
        flop = training_flop(module.network, sizes)
        for name, within in PRECISIONS.items():
            product = square_product(QUICK_ORDER if quick else ORDER, name)
            works = {
                "step": _within(within, ragged_step(module, batch)),
                "product": _within(within, product),
            }
            times = in_turns(works, quick)
            key = f"precision.{case}.{name}"
            step_seconds = _median(times["step"])
            rate = 2.0 * float(QUICK_ORDER if quick else ORDER) ** 3 / _median(times["product"])
            found |= {
                f"{key}.step_ms": 1e3 * step_seconds,
                f"{key}.elements_per_second": sum(sizes) / step_seconds,
                f"{key}.gemm_flops": rate,
                f"{key}.share_of_peak": flop / step_seconds / rate,
            }
    return found


def square_product(order: int, name: str) -> Step:
    """Return a product of square matrices of the type that a precision multiplies."""
    kind = torch.bfloat16 if name == "bf16" else torch.float32
    a, b = torch.rand(2, order, order, device=DEVICE, dtype=kind)
    out = torch.empty_like(a)

    def product() -> None:
        torch.mm(a, b, out=out)

    return product


def padded(quick: bool) -> Numbers:
    """Compare a ragged step with padded ones, each with its peak memory where there is a GPU."""
    module = paper_module()
    batch = batch_of(SMALL if quick else mixed_sizes(PADDED_EVENTS))
    own = slots_for(int(batch.ptr.diff().max()), module.network.bin_size)
    works = {
        "ragged": ragged_step(module, batch),
        "batchmax": padded_step(module.network, batch, own),
    }
    if not quick:
        works["6400"] = padded_step(module.network, batch, LONGEST)
    times = in_turns(works, quick)
    found: Numbers = {f"padded.{name}.step_ms": 1e3 * _median(times[name]) for name in works}
    found |= {
        f"padded.speedup_vs_{name}": speedup(times, name, "ragged") for name in works if name != "ragged"
    }
    if DEVICE == "cuda":
        for name, work in works.items():
            torch.cuda.reset_peak_memory_stats()
            work()
            found[f"padded.{name}.peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def graphs(quick: bool) -> Numbers:
    """Compare a step that is launched with the same step replayed as a graph, or say why there is none."""
    if DEVICE != "cuda":
        return {"graphs.reason": "no CUDA device"}
    module, batch = laptop_module(), batch_of(SMALL if quick else [LARGEST])
    step = ragged_step(module, batch)
    try:
        replay = captured(step)
    except RuntimeError as error:  # what a capture does not allow is only known by trying
        torch.cuda.synchronize()
        return {"graphs.reason": str(error).splitlines()[0]}
    times = in_turns({"launched": step, "replayed": replay}, quick)
    return {
        "graphs.launched_ms": 1e3 * _median(times["launched"]),
        "graphs.replayed_ms": 1e3 * _median(times["replayed"]),
        "graphs.speedup": speedup(times, "launched", "replayed"),
    }


def captured(step: Step) -> Step:
    """Return what replays a step, captured after some that warm up on a stream of their own."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(LEAST_ROUNDS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def compile_(quick: bool) -> Numbers:
    """Measure what torch.compile brings to a step at the paper's widths."""
    if not possible():
        return {"compile.reason": "no C++ compiler"}
    sizes = SMALL if quick else [LARGEST]
    numbers = compared(paper_module(), paper_module(), sizes, LEAST_ROUNDS)
    return {f"compile.{name}": value for name, value in numbers.items()}


def in_turns(works: Mapping[str, Step], quick: bool) -> dict[str, list[float]]:
    """Return the times of works in turns, in as many rounds as there is time for, or in few."""
    if quick:
        return alternating(works, LEAST_ROUNDS)
    for work in works.values():
        work()
    round_seconds = sum(seconds(work) for work in works.values())
    rounds = int(PER_COMPARISON / max(round_seconds, 1e-6))
    return alternating(works, min(MOST_ROUNDS, max(LEAST_ROUNDS, rounds)))


def _within(context: Callable[[], Any], work: Step) -> Step:
    def done() -> None:
        with context():
            work()

    return done


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


PARTS: dict[str, Callable[[bool], Numbers]] = {
    "precision": precision,
    "padded": padded,
    "trials": trials_at_once,
    "graphs": graphs,
    "compile": compile_,
}


def main() -> None:
    """Measure what there is time for, and write the numbers after each part."""
    begin = time.monotonic()
    options = command(__doc__, quick="small events: a trial without a GPU", parts=PARTS)
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else None
    numbers: Numbers = {"device": device, "quick": options.quick, "machine": machine(), "left_out": []}
    for name in options.parts:
        if time.monotonic() - begin + NEEDED[name] > LIMIT_SECONDS:
            numbers["left_out"].append(name)
        else:
            found = PARTS[name](options.quick)
            print_numbers({key: value for key, value in found.items() if isinstance(value, float)})
            numbers |= found
        if options.json is not None:
            write_json(options.json, {**numbers, "seconds": time.monotonic() - begin})


if __name__ == "__main__":
    main()
