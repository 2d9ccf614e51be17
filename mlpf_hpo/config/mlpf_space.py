"""Check of a search space for MLPF: hyperparameters of table 1, within the values that MLPF can take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mlpf_hpo.errors import did_you_mean
from mlpf_hpo.space import TABLE_1, Choice, Domain, Integer, SearchSpace, is_number


class Limits(NamedTuple):
    """Values of a hyperparameter that MLPF can be trained with: in [low, below), whole numbers or any."""

    low: float
    below: float
    whole: bool


LIMITS = {
    "lr": Limits(0, float("inf"), whole=False),
    "n_glayers_id": Limits(0, 101, whole=True),
    "n_glayers_reg": Limits(0, 101, whole=True),
    "dropout": Limits(0, 1, whole=False),
    "bin_size": Limits(1, 10**6 + 1, whole=True),
    "output_dim": Limits(1, 2**16 + 1, whole=True),
    "weight_decay": Limits(0, float("inf"), whole=False),
}


def space_problems(space: SearchSpace) -> dict[str, str]:
    """Return what MLPF cannot be trained with, hyperparameter -> what is wrong; nothing if it can.

    Examples
    --------
    >>> space_problems(SearchSpace({**TABLE_1.domains, "dropout": Choice((0.1, 1.0))}))
    {'dropout': '1 cannot be trained with; values must be at least 0 and below 1'}
    """
    found = {}
    for name in TABLE_1.names:
        domain = space.domains.get(name)
        problem = "missing: MLPF needs it" if domain is None else _problem(domain, LIMITS[name])
        if problem:
            found[name] = problem
    return unknown_names(space.names) | found


def unknown_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names that are no hyperparameters of MLPF, and what is wrong with each.

    Examples
    --------
    >>> unknown_names(["lr", "droput"])["droput"]
    'unknown key (did you mean dropout?); MLPF takes lr, n_glayers_id, n_glayers_reg, dropout, bin_size, ...'
    """
    known = ", ".join(TABLE_1.names)
    return {
        name: f"unknown key{did_you_mean(name, TABLE_1.names)}; MLPF takes {known}"
        for name in names
        if name not in TABLE_1.names
    }


def _problem(domain: Domain, limits: Limits) -> str | None:
    if limits.whole and not isinstance(domain, Choice | Integer):
        return "a range of real numbers; values must be whole numbers: add type: int, or give a list"
    for value in domain.values if isinstance(domain, Choice) else (domain.low, domain.high):
        if not is_number(value):
            return f"{value!r} cannot be trained with; values must be numbers"
        number = float(value)
        if not limits.low <= number < limits.below:
            allowed = f"at least {limits.low:g}"
            if limits.below != float("inf"):
                allowed += f" and below {limits.below:g}"
            return f"{number:g} cannot be trained with; values must be {allowed}"
        if limits.whole and number != round(number):
            return f"{number:g} cannot be trained with; values must be whole numbers"
    return None


def smallest_bin(space: SearchSpace) -> int:
    """Return the smallest bin size of a space."""
    domain = space.domains["bin_size"]
    return round(float(min(domain.values))) if isinstance(domain, Choice) else round(domain.low)
