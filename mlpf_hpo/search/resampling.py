"""Intervals of what replays measured, from drawing the searches again, each with its own configurations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.search.draws import Sizes
from mlpf_hpo.seeds import derive_seed

DRAWS = 500
LEVELS = (0.025, 0.975)
"""Ends of 95 % intervals."""

TINY = 1e-12


@dataclass(frozen=True)
class Resampling:
    """How searches are drawn again for intervals.

    A search draws its configurations by its seed. What is resampled is the set of searches, with replacement,
    each with all of its configurations and whatever every scheduler did with them: schedulers are compared in
    pairs. Searches of N out of M configurations overlap where there are more than M / N of them, and more
    seeds do not make more configurations: deviations from the mean are then multiplied by
    sqrt(searches * N / M), as if only M / N searches, which share no configuration, were independent. The
    interval is that of other configurations, as many as the table has.

    Attributes
    ----------
    weights : array [n_draws, n_searches]
        Share of each search in each resampled mean.
    widening : float
        What deviations are multiplied by, at least 1.
    """

    weights: FloatArray
    widening: float

    @classmethod
    def of(cls, searches: int, sizes: Sizes, seed: int = 0, draws: int = DRAWS) -> Resampling:
        """Return the resampling of so many searches."""
        generator = np.random.default_rng(derive_seed(seed, "resampled searches"))
        counts = generator.multinomial(searches, np.full(searches, 1 / searches), size=draws)
        return cls(counts / searches, float(np.sqrt(max(1.0, searches * sizes.searched / sizes.available))))

    def mean(self, values: FloatArray) -> dict[str, float]:
        """Return the mean of a figure over the searches, [n_searches], with its interval.

        Examples
        --------
        >>> Resampling.of(2, Sizes(1, 1, 2)).mean(np.array([3.0, 3.0]))
        {'mean': 3.0, 'low': 3.0, 'high': 3.0}
        """
        center = float(values.mean())
        deviations = np.quantile(self.weights @ values - center, LEVELS) * self.widening
        low, high = (float(center + deviation) for deviation in deviations)
        if (values >= 0).all():
            low = max(0.0, low)
        return {"mean": center, "low": min(low, center), "high": max(high, center)}

    def ratio(self, center: float, resampled: FloatArray, largest: float = np.inf) -> dict[str, float]:
        """Return a ratio with its interval, from resampled ones [n_draws], on a logarithmic scale.

        Widened deviations would take the ends beyond ratios that can occur: those lie between 1 / `largest`
        and `largest`.

        Examples
        --------
        >>> found = Resampling(np.eye(2), 3.0).ratio(1.0, np.array([0.5, 8.0]), largest=80)
        >>> {end: round(value, 4) for end, value in found.items()}
        {'mean': 1.0, 'low': 0.1539, 'high': 80.0}
        """
        logs = np.log(np.maximum(resampled, TINY)) - np.log(max(center, TINY))
        low, high = np.exp(np.quantile(logs, LEVELS) * self.widening) * center
        low, high = max(float(low), 1 / largest), min(float(high), float(largest))
        return {"mean": center, "low": min(low, center), "high": max(high, center)}
