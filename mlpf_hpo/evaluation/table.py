"""The table of a validation result: one row a number, MLPF's beside the rule-based particle flow's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.evaluation.intervals import Estimate, EventBootstrap, clopper_pearson, percentile_interval

FEWEST = 10
"""With fewer values, a median and a width are not given."""


@dataclass(frozen=True)
class Cell:
    """A range of a variable: `low` <= value < `high`.

    Attributes
    ----------
    variable : str
        "pt" or "met" in GeV, "eta" for |eta|, or "all" for no range at all.
    low, high : float
        Edges; `high` may be infinite.
    """

    variable: str
    low: float
    high: float

    def holds(self, values: FloatArray) -> BoolArray:
        """Tell which values lie inside."""
        return np.asarray((values >= self.low) & (values < self.high))

    def holds_momenta(self, pt: FloatArray, eta: FloatArray) -> BoolArray:
        """Tell which particles or jets of `pt` [n] and `eta` [n] lie in a range of pt or |eta|."""
        if self.variable == "all":
            return np.ones(len(pt), dtype=bool)
        return self.holds(pt if self.variable == "pt" else np.abs(eta))


EVERYTHING = Cell("all", -np.inf, np.inf)

PARTICLE_EDGES = {
    "pt": (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, np.inf),
    "eta": (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, np.inf),
}
JET_EDGES = {"pt": (5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, np.inf), "eta": (0.0, 1.5, 2.5, 3.0, 5.0)}
MET_EDGES = {"met": (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)}


def cells(edges: Mapping[str, tuple[float, ...]]) -> Iterator[Cell]:
    """Yield the cell of everything, then every range of every variable."""
    yield EVERYTHING
    for variable, ends in edges.items():
        for low, high in pairwise(ends):
            yield Cell(variable, low, high)


@dataclass(frozen=True)
class Measured:
    """A number that one reconstruction gives.

    Attributes
    ----------
    values : array [1 + replicas]
        The sample's and those of resampled events.
    n : int
        How many elements, jets or events it counts.
    interval : Estimate, optional
        Its interval, where a better one is known than that of the replicas.
    """

    values: FloatArray
    n: int
    interval: Estimate | None = None

    @property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        return self.interval if self.interval is not None else percentile_interval(self.values)


@dataclass(frozen=True)
class Row:
    """One number of a validation result.

    Attributes
    ----------
    quantity : str
        What: "efficiency", "pt_width", "response", ...
    of : str
        Of what: a class of particles, "jet" or "met".
    elements : str
        "all", or only those at a "track" or a "tower".
    cell : Cell
        In which range.
    mlpf, ycand : Estimate
        The network's, and that of the rule-based particle flow.
    difference, ratio : Estimate
        MLPF minus, and over, `ycand` on the same events.
    n_mlpf, n_ycand : int
        Elements, jets or events that count.
    truth : float
        The generator's, where it has one; else NaN.
    """

    quantity: str
    of: str
    elements: str
    cell: Cell
    mlpf: Estimate
    ycand: Estimate
    difference: Estimate
    ratio: Estimate
    n_mlpf: int
    n_ycand: int
    truth: float = np.nan


def compare(
    quantity: str,
    of: str,
    cell: Cell,
    both: Mapping[str, Measured],
    elements: str = "all",
    truth: float = np.nan,
) -> Row:
    """Return the row of a number that "mlpf" and "ycand" both give."""
    mlpf, ycand = both["mlpf"], both["ycand"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mlpf.values / ycand.values
    return Row(
        quantity,
        of,
        elements,
        cell,
        mlpf.estimate,
        ycand.estimate,
        percentile_interval(mlpf.values - ycand.values),
        percentile_interval(np.where(np.isfinite(ratio), ratio, np.nan)),
        mlpf.n,
        ycand.n,
        truth,
    )


def measured_fraction(bootstrap: EventBootstrap, passed: IntArray, total: IntArray) -> Measured:
    """Return the fraction of counts per event [n_events], with its exact binomial interval."""
    interval = clopper_pearson(int(passed.sum()), int(total.sum()))
    return Measured(bootstrap.fraction(passed, total), int(total.sum()), interval)


def side_by_side(measured: Mapping[str, Mapping[str, Measured]]) -> Iterator[tuple[str, dict[str, Measured]]]:
    """Yield each quantity that all reconstructions give by name, with what each of them gives."""
    for quantity in next(iter(measured.values())):
        yield quantity, {name: given[quantity] for name, given in measured.items()}


def measured_spread(bootstrap: EventBootstrap, values: FloatArray, event: IntArray) -> dict[str, Measured]:
    """Return median, width and tails of values [n] that belong to events [n]; NaN below `FEWEST` values."""
    if len(values) < FEWEST:
        spread = np.full((len(bootstrap.weights), 3), np.nan)
    else:
        spread = bootstrap.spread(values, event)
    names = ("median", "width", "tails")
    return {name: Measured(column, len(values)) for name, column in zip(names, spread.T, strict=True)}
