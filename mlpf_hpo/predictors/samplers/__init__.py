"""Samplers of QUBOs by name: a new one is its class, and one line here."""

from __future__ import annotations

from collections.abc import Callable

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.samplers.base import Sampler, SampleResult
from mlpf_hpo.predictors.samplers.classical import RandomBits, SimulatedAnnealing, SteepestDescent, Tabu


def _quantum_annealer(reads: int, _: int) -> Sampler:
    # D-Wave's client takes seconds to import; only those who ask for hardware wait for it.
    from mlpf_hpo.predictors.samplers.qpu import QuantumAnnealer

    return QuantumAnnealer(reads)


SAMPLERS: dict[str, Callable[[int, int], Sampler]] = {
    "random": lambda reads, _: RandomBits(reads),
    "steepest_descent": lambda reads, _: SteepestDescent(reads),
    "simulated_annealing": SimulatedAnnealing,
    "tabu": Tabu,
    "qpu": _quantum_annealer,
}
"""From a name to a function of (reads, sweeps)."""


def make_sampler(name: str, reads: int = 100, sweeps: int = 100) -> Sampler:
    """Return the sampler called `name`; `sweeps` matters to those that sweep.

    Raises
    ------
    ConfigurationError
        If there is no such sampler, or `reads` or `sweeps` is below 1.

    Examples
    --------
    >>> make_sampler("simulated_annealing", reads=10, sweeps=50)
    SimulatedAnnealing(reads=10, sweeps=50)
    """
    if name not in SAMPLERS:
        known = ", ".join(SAMPLERS)
        raise ConfigurationError(
            f"sampler = {name!r}: no such sampler{did_you_mean(name, SAMPLERS)}; known: {known}"
        )
    return SAMPLERS[name](reads, sweeps)


__all__ = ["SAMPLERS", "SampleResult", "Sampler", "make_sampler"]
