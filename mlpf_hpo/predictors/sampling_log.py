"""Sampling log: numbers and texts about the sampler runs of a fitted predictor, for its MLflow run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sklearn.base import BaseEstimator

from mlpf_hpo.predictors.regressors.qsvr import QSVR

TOTALS = ("seconds", "device_seconds", "timing.qpu_access_time")
"""Numbers that add up over fits; of the others the mean is kept."""


def sampling_log(predictor: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return numbers and texts of all fitted QSVRs within a predictor; empty where it has none.

    Returns
    -------
    numbers : dict
        ``sampling/fits``, ``sampling/seconds`` and what the sampler's `info` holds: device time, share of
        broken chains, qubits, lengths of chains.
    texts : dict
        ``sampling.solver``, ``sampling.topology`` and others.
    """
    fits = [{"seconds": model.sampling_seconds_, **model.sampling_info_} for model in _fitted(predictor)]
    if not fits:
        return {}, {}
    names = sorted({name for fit in fits for name in fit})
    numbers, texts = {"sampling/fits": float(len(fits))}, {}
    for name in names:
        values = [fit[name] for fit in fits if name in fit]
        measured = [float(value) for value in values if not isinstance(value, str)]
        if len(measured) < len(values):
            texts[f"sampling.{name}"] = ", ".join(sorted({str(value) for value in values}))
        else:
            numbers[f"sampling/{name}"] = math.fsum(measured) / (1 if name in TOTALS else len(measured))
    texts.pop("sampling.problem_id", None)  # a list of names that nobody reads
    return numbers, texts


def _fitted(value: Any) -> Iterator[QSVR]:
    """Yield the QSVRs that were fitted by sampling, at any depth of estimators and containers."""
    if isinstance(value, QSVR):
        if hasattr(value, "sampling_info_"):
            yield value
    elif isinstance(value, BaseEstimator):
        yield from _fitted(vars(value))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _fitted(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _fitted(inner)
