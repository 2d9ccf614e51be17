"""One seed in params.yaml; everything random gets its own, derived from it by name."""

from __future__ import annotations

from dataclasses import dataclass

from mlpf_hpo.errors import ConfigurationError

LARGEST_SEED = 2**31 - 1
"""Seeds of params.yaml and of the command line, and derived ones, go from 0 to this."""


@dataclass(frozen=True)
class SeedRange:
    """What a library takes for a seed.

    Attributes
    ----------
    largest : int
        The largest one; the smallest is 0.
    instead_of_zero : int
        What the library gets for our 0, where 0 asks it to choose a seed by itself.
    """

    largest: int
    instead_of_zero: int = 0


LIBRARY_SEEDS = {
    # dwave-samplers 1.8. Simulated annealing has a fixed state of its own for 0; path integral takes 0 for
    # "choose a seed" (`initPRNG` in localPIMC.cpp): it has one seed less than we, so that two must coincide.
    "simulated annealing": SeedRange(2**31 - 1),
    "path integral": SeedRange(2**31 - 1, instead_of_zero=1_640_531_527),
    "steepest descent": SeedRange(2**32 - 1),
    "tabu": SeedRange(2**32 - 1),
    # numpy.random.default_rng: any integer that is not negative; this is what two words of 32 bits hold.
    "numpy": SeedRange(2**64 - 1),
}
"""Libraries that get a seed as it is given to a sampler.

The others get derived seeds, up to `LARGEST_SEED`, and take each for what it is: scikit-learn and NumPy's
`RandomState` 0 to 2**32 - 1, `torch.manual_seed` the last 32 bits of any integer. Pythia takes 1 to
900,000,000 (0 is the clock, below it a fixed seed), see `events.sources.pythia.event_seed`.
"""


def library_seed(library: str, seed: int) -> int:
    """Return the seed to give to a library, so that two calls with our seed give the same.

    Parameters
    ----------
    library : str
        A key of `LIBRARY_SEEDS`.
    seed : int
        Ours, 0 or more.

    Raises
    ------
    ConfigurationError
        If the library takes no such seed.

    Examples
    --------
    >>> library_seed("simulated annealing", 0), library_seed("path integral", 0)
    (0, 1640531527)
    """
    allowed = LIBRARY_SEEDS[library]
    if not 0 <= seed <= allowed.largest:
        raise ConfigurationError(f"seed = {seed}: {library} takes seeds from 0 to {allowed.largest}")
    return int(seed) or allowed.instead_of_zero


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed from 0 to `LARGEST_SEED` that belongs to `seed` and a purpose.

    Examples
    --------
    >>> derive_seed(42, "events", "train") == derive_seed(42, "events", "train")
    True
    >>> derive_seed(42, "events", "train") == derive_seed(42, "events", "validation")
    False
    """
    from mlpf_hpo.space import stable_hash  # NumPy with it, which no help text waits for

    return int(stable_hash([seed, *purpose], length=16), 16) % (LARGEST_SEED + 1)
