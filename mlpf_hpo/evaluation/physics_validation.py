"""Physics validation of a sample: all quantities, for the network and for the rule-based particle flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.evaluation.classification import classification_rows, confusion
from mlpf_hpo.evaluation.intervals import REPLICAS, EventBootstrap
from mlpf_hpo.evaluation.jets import Jets, find_jets, jet_rows
from mlpf_hpo.evaluation.met import met_rows, missing_momentum
from mlpf_hpo.evaluation.multiplicity import multiplicity_rows
from mlpf_hpo.evaluation.residuals import residual_rows, residuals
from mlpf_hpo.evaluation.sample import PID, Sample
from mlpf_hpo.evaluation.table import Row
from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.events.schema import CLASSES


def validate_reconstruction(
    sample: Sample, about: Mapping[str, Any], seed: int = 0, replicas: int = REPLICAS
) -> ValidationResult:
    """Judge the network's reconstruction of a sample beside the rule-based one.

    The result is `about` network and events, JSON values for captions, and what stands for the truth of jets.
    `seed` and `replicas` are of the resampling of events, which gives the intervals.

    Raises
    ------
    ConfigurationError
        If FastJet is not installed.
    """
    bootstrap = EventBootstrap(sample.n_events, seed, replicas)
    jets = {name: find_jets(sample, rows) for name, rows in sample.reconstructions.items()}
    return ValidationResult(
        rows=[row for row in _all_rows(sample, bootstrap, jets) if _says_something(row)],
        confusion={
            name: {
                kind: confusion(sample.truth[chosen], rows[chosen]).tolist()
                for kind, chosen in sample.kinds().items()
            }
            for name, rows in sample.reconstructions.items()
        },
        distributions=_distributions(sample, jets),
        about={**about, "reference": sample.reference, "replicas": replicas},
    )


def _all_rows(sample: Sample, bootstrap: EventBootstrap, jets: dict[str, Jets]) -> Iterator[Row]:
    yield from classification_rows(sample, bootstrap)
    yield from residual_rows(sample, bootstrap)
    yield from jet_rows(sample, bootstrap, jets)
    yield from met_rows(sample, bootstrap)
    yield from multiplicity_rows(sample, bootstrap)


def _says_something(row: Row) -> bool:
    """Tell whether anything was counted; of a whole class it is said also where nothing was."""
    whole = row.cell.variable == "all" and row.elements == "all"
    return whole or row.n_mlpf > 0 or row.n_ycand > 0


RANGES = {"pt": (-1.0, 1.0), "energy": (-1.0, 1.0), "response": (0.0, 2.0), "met": (-50.0, 50.0)}
"""What distributions show, and their range: relative residuals, ratio, GeV."""

BINS = 40


def _distributions(sample: Sample, jets: dict[str, Jets]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for number, name in enumerate(CLASSES[1:], start=1):
        for quantity in ("pt", "energy"):
            out[f"{quantity} {name}"] = {"edges": _edges(quantity).tolist()}
        for algorithm, rows in sample.reconstructions.items():
            right = (rows[:, PID] == number) & (sample.truth[:, PID] == number)
            values = residuals(sample.truth[right], rows[right])
            for quantity in ("pt", "energy"):
                out[f"{quantity} {name}"][algorithm] = _counts(values[quantity], quantity)
    out["response jet"] = {"edges": _edges("response").tolist()}
    out["met"] = {"edges": _edges("met").tolist()}
    for algorithm, rows in sample.reconstructions.items():
        out["response jet"][algorithm] = _counts(jets[algorithm].response, "response")
        out["met"][algorithm] = _counts((missing_momentum(sample, rows) - sample.met).ravel(), "met")
    return out


def _edges(quantity: str) -> FloatArray:
    return np.linspace(*RANGES[quantity], BINS + 1)


def _counts(values: FloatArray, quantity: str) -> list[int]:
    return np.histogram(np.clip(values, *RANGES[quantity]), _edges(quantity))[0].tolist()
