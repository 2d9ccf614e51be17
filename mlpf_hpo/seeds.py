"""One seed in params.yaml; everything random gets its own, derived from it by name."""

from __future__ import annotations

from mlpf_hpo.space import stable_hash


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed below 2**31 that belongs to `seed` and a purpose.

    Examples
    --------
    >>> derive_seed(42, "events", "train") == derive_seed(42, "events", "train")
    True
    >>> derive_seed(42, "events", "train") == derive_seed(42, "events", "validation")
    False
    """
    return int(stable_hash([seed, *purpose], length=16), 16) % 2**31
