"""Random number streams: numbers for many events at once, each event with its own generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpf_hpo.array_types import FloatArray, IntArray


class Streams:
    """One generator for each event: what an event draws does not depend on the events beside it."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators

    def uniform(self, event: IntArray) -> FloatArray:
        """Return a number from [0, 1) for each entry of `event` [n], which are event numbers, ascending."""
        return np.concatenate([g.random(n) for g, n in self._shares(event)])

    def normal(self, event: IntArray) -> FloatArray:
        """Return a standard normal number for each entry of `event`, as in `uniform`."""
        return np.concatenate([g.standard_normal(n) for g, n in self._shares(event)])

    def _shares(self, event: IntArray) -> list[tuple[np.random.Generator, int]]:
        counts = np.bincount(event, minlength=len(self._generators))
        return list(zip(self._generators, counts.tolist(), strict=True))


def log_normal(normal: FloatArray, mean: FloatArray, width: FloatArray) -> FloatArray:
    """Turn standard normal numbers into log-normal ones of given means and widths; a mean of 0 stays 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        b2 = np.log1p((width / mean) ** 2)
        drawn = mean * np.exp(np.sqrt(b2) * normal - b2 / 2)
    return np.where(mean > 0, drawn, 0.0)
