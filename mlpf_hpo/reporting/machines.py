"""Machines compared by the throughput of the trials that they trained.

Trials differ in size by far more than machines in speed, and no configuration is trained on two machines of
one campaign. So beside the medians as they are, machines are compared at equal configuration: the logarithm
of a trial's throughput is fitted as its machine's speed plus a polynomial in what makes a network large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray
from mlpf_hpo.curves.schema import LearningCurves, text_columns
from mlpf_hpo.tracking.host_records import JOINT

EVENTS, ELEMENTS = "throughput/events_per_second", "throughput/elements_per_second"

RESAMPLES = 1000
MINIMUM_TRIALS = 4
"""A machine with fewer trials is listed, but not compared."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval over trials."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return value and interval; the value alone where it is exact."""
        if self.low == self.high:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g},\N{NO-BREAK SPACE}{self.high:.3g}]"


@dataclass(frozen=True)
class Machine:
    """What trials say about a machine.

    Attributes
    ----------
    label : str
        Its `hardware_label`.
    rates : array [n_trials]
        Each trial's median events/s over its epochs.
    events : Interval
        Median of `rates`.
    elements : float
        Median elements/s over trials; NaN where it wasn't logged.
    relative : Interval or None
        Speed at equal configuration, relative to the machine with the most trials; None where there is
        nothing to compare with, or too few trials.
    """

    label: str
    rates: FloatArray
    events: Interval
    elements: float
    relative: Interval | None


def compare_machines(curves: LearningCurves, seed: int = 0) -> list[Machine]:
    """Return the machines of a data set, the one with the most trials first."""
    rates = _per_trial(curves, EVENTS)
    elements = _per_trial(curves, ELEMENTS)
    measured = np.isfinite(rates)
    labels = sorted(set(curves.hardware[measured].tolist()))
    labels.sort(key=lambda label: -int((curves.hardware[measured] == label).sum()))
    relative = _relative(curves.select(measured), rates[measured], labels, seed)
    out = []
    for label in labels:
        rows = measured & (curves.hardware == label)
        generator = np.random.default_rng(seed)
        drawn = generator.choice(rates[rows], (RESAMPLES, int(rows.sum())))
        events = _interval(float(np.median(rates[rows])), np.median(drawn, axis=1))
        out.append(Machine(label, rates[rows], events, float(np.median(elements[rows])), relative.get(label)))
    return out


def is_mixed(label: str) -> bool:
    """Tell whether trials of this label were trained on more than one machine."""
    return JOINT in label


def _per_trial(curves: LearningCurves, metric: str) -> FloatArray:
    """Return each trial's median over its epochs, NaN where it has none."""
    values = curves.metrics.get(metric)
    if values is None:
        return np.full(len(curves), np.nan)
    finite = [row[np.isfinite(row)] for row in values]
    return np.array([np.median(row) if len(row) else np.nan for row in finite])


def _relative(curves: LearningCurves, rates: FloatArray, labels: list[str], seed: int) -> dict[str, Interval]:
    """Return each machine's speed at equal configuration, relative to the first."""
    rows = {label: np.flatnonzero(curves.hardware == label) for label in labels if not is_mixed(label)}
    compared = [label for label, found in rows.items() if len(found) >= MINIMUM_TRIALS]
    size = _size(curves)
    if len(compared) < 2 or sum(len(rows[label]) for label in compared) < size.shape[1] + len(compared) + 2:
        return {}

    def speeds(chosen: dict[str, IntArray]) -> FloatArray:
        at = np.concatenate([chosen[label] for label in compared])
        which = np.repeat(np.arange(len(compared)), [len(chosen[label]) for label in compared])
        design = np.column_stack([np.eye(len(compared))[which], size[at]])
        fitted = np.linalg.lstsq(design, np.log(rates[at]), rcond=None)[0][: len(compared)]
        return np.asarray(np.exp(fitted - fitted[0]))

    generator = np.random.default_rng(seed)

    def resampled() -> dict[str, IntArray]:
        return {label: generator.choice(found, len(found)) for label, found in rows.items()}

    drawn = np.array([speeds(resampled()) for _ in range(RESAMPLES)])
    observed = speeds(rows)
    return {label: _interval(observed[i], drawn[:, i]) for i, label in enumerate(compared)}


def _size(curves: LearningCurves) -> FloatArray:
    """Return what makes a network slow, [n_trials, n_terms], each term centred; none varies: no terms."""
    terms = []
    for name in ("n_glayers_id", "n_glayers_reg", "output_dim", "bin_size"):
        if name not in curves.configs or name in text_columns(curves.configs):
            continue
        values = curves.configs[name].to_numpy(dtype=np.float64)
        values = values if name.startswith("n_") else np.log2(values)
        terms.append(values - values.mean())
        if name == "output_dim":  # small networks are bound by overheads, large ones by arithmetic
            terms.append(terms[-1] ** 2 - (terms[-1] ** 2).mean())
    varying = [term for term in terms if np.ptp(term) > 0]
    return np.column_stack(varying) if varying else np.empty((len(curves), 0))


def _interval(value: float, drawn: FloatArray) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(value), float(low), float(high))
