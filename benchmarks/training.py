"""How fast MLPF trains, beside the published way and beside what the machine can do.

    python -m benchmarks.training [PART ...] [--quick] [--json FILE] [--against COMMIT]

One thread and its processor time, so that what else the machine does counts little; what is compared takes
turns in one process, and the median of the rounds' ratios counts. On a GPU the clock is the wall's, read when
the device is done; so it is where two processes train together. `--against` adds what another commit, checked
out and installed by itself, takes for the same steps (part `steps`) and, in wall time, for the stage
`campaign`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cases import (
    CALM,
    LARGEST,
    LONGEST,
    batch_of,
    laptop_module,
    mixed_sizes,
    padded_inference,
    padded_step,
    paper_module,
    ragged_inference,
    ragged_step,
)
from benchmarks.clock import DEVICE, Step, alternating, seconds, speedup
from benchmarks.command import command, report
from benchmarks.compilation import compilation
from benchmarks.framework import framework
from benchmarks.levers import levers
from benchmarks.operations import operations
from benchmarks.padded import slots_for
from benchmarks.ranks import ranks
from benchmarks.step_memory import step_memory
from benchmarks.training_against import campaign_against, steps_against
from mlpf_hpo.config import Params
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.hardware.memory import keep_freed_memory
from mlpf_hpo.mlpf.flop import inference_flop, training_flop

ORDER = 1024
"""Of the square matrices whose product is the peak: large enough for one core, and soon done."""


def mixed(quick: bool) -> dict[str, float]:
    """Compare a training step, and an inference, on events of mixed size."""
    batch, module = batch_of(mixed_sizes(2 if quick else 4)), paper_module()
    own = slots_for(int(batch.ptr.diff().max()), module.network.bin_size)
    times = alternating(
        {
            "ragged": ragged_step(module, batch),
            "6400": padded_step(module.network, batch, LONGEST),
            "batchmax": padded_step(module.network, batch, own),
        },
        1 if quick else 5,
    )
    inference = alternating(
        {
            "ragged": ragged_inference(module.network, batch),
            "6400": padded_inference(module.network, batch, LONGEST),
        },
        1 if quick else 5,
    )
    return {
        "mixed.speedup_vs_padded_6400": speedup(times, "6400", "ragged"),
        "mixed.speedup_vs_padded_batchmax": speedup(times, "batchmax", "ragged"),
        "mixed.inference_speedup_vs_padded_6400": speedup(inference, "6400", "ragged"),
    }


def uniform(quick: bool) -> dict[str, float]:
    """Compare a training step on events of one size, in whole bins: there is nothing to gain from padding."""
    module = paper_module()
    size = slots_for(LARGEST, module.network.bin_size)
    batch = batch_of([size] if quick else [size] * 2)
    times = alternating(
        {"ragged": ragged_step(module, batch), "padded": padded_step(module.network, batch, size)},
        2 if quick else 5,
    )
    return {"uniform.speedup_vs_padded": speedup(times, "padded", "ragged")}


def arithmetic(quick: bool) -> dict[str, float]:
    """Measure the share of the GEMM peak of steps, and of an inference that bounds what there is to gain.

    At the defaults also the share of a step that is left with one element in each event: what it takes to
    call the operations, whatever they work on.
    """
    paper, laptop = paper_module(), laptop_module()
    large, small = [LARGEST], [CALM] * Params().training.batch_events
    rounds = 3 if quick else 9
    step = ragged_step(laptop, batch_of(small))
    calls = ragged_step(laptop, batch_of([1] * len(small)))
    return {
        "fraction_of_gemm_peak": share_of_peak(
            ragged_step(paper, batch_of(large)), training_flop(paper.network, large), rounds
        ),
        "fraction_of_gemm_peak_default": share_of_peak(step, training_flop(laptop.network, small), rounds=50),
        "calls_share_default": speedup(alternating({"step": step, "calls": calls}, 50), "calls", "step"),
        "fraction_of_gemm_peak_inference": share_of_peak(
            ragged_inference(paper.network, batch_of(large)), inference_flop(paper.network, large), rounds
        ),
    }


def share_of_peak(step: Step, flop: float, rounds: int) -> float:
    """Return the median share of the rate of square matrix products that go on for as long, in turns.

    The best of short products would be a moment of a shared processor that a longer step never has to itself.
    """
    product = gemm(ORDER)
    for work in (step, product):
        work()
    times = max(1, round(seconds(step) / seconds(product)))

    def products() -> None:
        for _ in range(times):
            product()

    taken = alternating({"step": step, "products": products}, rounds)
    return speedup(taken, "products", "step") * flop / (times * 2.0 * ORDER**3)


def gemm(order: int) -> Step:
    """Return a product of square matrices."""
    a, b = torch.rand(2, order, order, device=DEVICE)
    out = torch.empty_like(a)

    def product() -> None:
        torch.mm(a, b, out=out)

    return product


PARTS: dict[str, Callable[[bool], dict[str, float]]] = {
    "mixed": mixed,
    "uniform": uniform,
    "arithmetic": arithmetic,
    "memory": step_memory,
    "framework": framework,
    "ranks": ranks,
    "levers": levers,
    "compilation": compilation,
    "operations": operations,
}
"""What is measured: each part is told whether to be quick, and returns named numbers."""

AGAINST = {"steps": steps_against, "campaign": campaign_against}
"""What is measured against another commit, if one is named."""


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on, without the machine's name, and how busy it was."""
    told = {name: value for name, value in describe_host().record().items() if name != "hostname"}
    return {**told, "load_average": os.getloadavg()[1]}


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick="about eight minutes", parts=[*PARTS, *AGAINST], against=True)
    torch.set_num_threads(1)
    keep_freed_memory()
    numbers: dict[str, float] = {}
    for name in options.parts:
        if name in PARTS:
            numbers.update(PARTS[name](options.quick))
        elif options.against is not None:
            numbers.update(AGAINST[name](options.against, options.quick))
    report(numbers, options.json, machine=machine(), quick=options.quick, commit=options.against)


if __name__ == "__main__":
    main()
