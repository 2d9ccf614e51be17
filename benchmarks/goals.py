"""The goals of training's speed, and what stands against those that are not met."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.shares import rest_of


@dataclass(frozen=True)
class Goal:
    """Something measured, and what it should be.

    Attributes
    ----------
    title, key : str
        What is measured, and its name in the results.
    limit : float or None
        Least value, or largest where `smaller` is better; none where it is only reported.
    why : callable
        Returns a sentence from measured numbers on what holds the rest.
    smaller : bool
        Whether less is better.
    """

    title: str
    key: str
    limit: float | None
    why: Callable[[Results], str]
    smaller: bool = False

    def met(self, results: Results) -> bool | None:
        """Return whether the goal is met; None where there is none."""
        if self.limit is None:
            return None
        better = operator.le if self.smaller else operator.ge
        return bool(better(results[self.key], self.limit))

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return "report" if self.limit is None else f"{'≤' if self.smaller else '≥'} {self.limit:g}"


def _paper(results: Results) -> str:
    return rest_of(results, "paper")


def _most(speedup: str, share: str = "fraction_of_gemm_peak") -> Callable[[Results], str]:
    """Return who tells how large a speedup would be if all time were matrix products at the peak."""

    def why(results: Results) -> str:
        return (
            f"{results[share]:.0%} of the GEMM peak is reached: with nothing but its matrix products at the "
            f"peak it would be {results[speedup] / results[share]:.2f}."
        )

    return why


def _default(results: Results) -> str:
    calls, reached = results["calls_share_default"], results["fraction_of_gemm_peak_default"]
    return (
        f"{rest_of(results, 'default')} With one element in each event, so next to no work, the step still "
        f"takes {calls:.0%} of its time, to call its operations: beside that nothing but matrix products at "
        f"the peak would be a share of {reached / (reached + calls):.2f}."
    )


def _memory(results: Results) -> str:
    ragged, padded = (results[f"memory.kilobytes_per_element{way}"] for way in ("", "_padded_6400"))
    growth = results["memory.growth_with_elements"]
    return (
        f"At its peak a step takes {ragged:.0f} kB per element, the baseline {padded:.0f} kB; "
        f"with many events it is {growth:.2f} times as much per element."
    )


def _framework(results: Results) -> str:
    low, high, per_batch, throughput, checkpoint = (
        results[f"framework.{name}"]
        for name in ("low", "high", "milliseconds_per_batch", "throughput_share", "checkpoint_share")
    )
    return (
        f"{per_batch:.1f} ms a batch, whatever is in it; the share's 95% interval goes from {low:.1%} to "
        f"{high:.1%}. The callback that measures throughput has {throughput:.1%}, Lightning has the rest. "
        f"The checkpoint, which is not in it, takes another {checkpoint:.1%}."
    )


PADDED, BATCHMAX, UNIFORM, INFERENCE = (
    "mixed.speedup_vs_padded_6400",
    "mixed.speedup_vs_padded_batchmax",
    "uniform.speedup_vs_padded",
    "mixed.inference_speedup_vs_padded_6400",
)
OF_INFERENCE = "fraction_of_gemm_peak_inference"

GOALS = (
    Goal("train step, mixed sizes, against padding to 6,400", PADDED, 3.0, _most(PADDED)),
    Goal("the same against padding to the batch's maximum", BATCHMAX, 1.5, _most(BATCHMAX)),
    Goal("train step, events of one size", UNIFORM, 1.3, _most(UNIFORM)),
    Goal("inference, mixed sizes, against padding to 6,400", INFERENCE, 3.0, _most(INFERENCE, OF_INFERENCE)),
    Goal("share of the GEMM peak, paper's widths, 6,000 elements", "fraction_of_gemm_peak", 0.75, _paper),
    Goal("the same at the defaults of params.yaml", "fraction_of_gemm_peak_default", 0.40, _default),
    Goal("peak memory per element over the baseline's", "memory_ratio", 0.5, _memory, smaller=True),
    Goal(
        "Lightning, callbacks and logging on top of a bare loop",
        "framework_overhead",
        0.03,
        _framework,
        smaller=True,
    ),
    Goal("2 processes against 1 of as many threads", "ddp_efficiency", None, lambda _: ""),
)
