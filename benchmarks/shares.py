"""What the profiled steps say: shares of time, distance from the roofline, and what holds the rest."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.operations import ARITHMETIC
from benchmarks.results import Results

KINDS = {
    "head_products": "GEMMs of the heads",
    "layer_products": "GEMMs of the layers",
    "bin_products": "products within bins by PyTorch",
    "kernels": "kernels in C, products within bins too",
    "pointwise": "element-wise work",
    "layer_norm": "layer norm",
    "masks": "dropout",
    "moves": "gathers, sorts and copies",
    "optimiser": "the optimiser",
    "rest": "Python and all else",
}
"""Kinds of `benchmarks.operations` -> how they are called."""

PRODUCTS = ("head_products", "layer_products", "bin_products")


@dataclass(frozen=True)
class Operation:
    """One kind of operation in a profiled step.

    Attributes
    ----------
    title : str
        What it is called.
    share : float
        Of the step's time.
    rate, intensity : float or None
        FLOP per second, and FLOP per byte; none where they are not counted.
    bound : float
        Share of the step's time that it would take at the limits of the roofline, or takes where it has none.
    excess : float
        Share of the step's time beyond its matrix products at the rate of the best one.
    """

    title: str
    share: float
    rate: float | None
    intensity: float | None
    bound: float
    excess: float


def operations_of(results: Results, case: str) -> list[Operation]:
    """Return the operations of a case, `paper` or `default`, those that took longest first.

    Raises
    ------
    DataError
        If the case was not profiled.
    """
    step = results[f"operations.{case}.step_seconds"]
    found = [_operation(results, f"operations.{case}.{kind}", kind, step) for kind in KINDS]
    return sorted(found, key=lambda o: -o.share)


def rest_of(results: Results, case: str) -> str:
    """Return a sentence on which operations hold a step from the rate of the best matrix product."""
    operations = operations_of(results, case)
    first, second = sorted(operations, key=lambda o: -o.excess)[:2]
    products = sum(o.share - o.excess for o in operations)
    bound = sum(o.bound for o in operations)
    return (
        f"Its matrix products at the peak would take {products:.0%} of the step; the most beyond that is "
        f"{_told(first)}, then {_told(second)}; at the roofline's limits {bound:.0%} would be left."
    )


def _told(operation: Operation) -> str:
    return f"{operation.title} ({operation.excess:.0%})"


def _operation(results: Results, name: str, kind: str, step: float) -> Operation:
    # A kind that never ran, as the dropout of a network without any, has no number.
    seconds = results.numbers.get(f"{name}.seconds", 0.0)
    if kind not in ARITHMETIC or not seconds:
        return Operation(KINDS[kind], seconds / step, None, None, seconds / step, seconds / step)
    flop, moved = results[f"{name}.flop"], results[f"{name}.bytes"]
    at_peak = flop / results["roofline.gemm_flops"]
    bound = min(seconds, max(at_peak, moved / results["roofline.triad_bytes_per_second"]))
    excess = seconds - (at_peak if kind in PRODUCTS else 0.0)
    return Operation(
        KINDS[kind], seconds / step, flop / seconds, flop / moved, bound / step, max(excess, 0.0) / step
    )
