"""Cores of a benchmark: how many copies load them."""

from __future__ import annotations

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.hardware.host import usable_cpus


def number_of_copies(copies: int | str, threads: int, ncores: int | None = None) -> int:
    """Return how many copies run.

    Parameters
    ----------
    copies : int or str
        A number; 0 and ``"auto"`` stand for as many as fit.
    threads : int
        Of each copy.
    ncores : int, optional
        Cores to be loaded at most, by default all that this process may use.

    Examples
    --------
    >>> number_of_copies(3, 2), number_of_copies("auto", 1, ncores=1)
    (3, 1)

    Raises
    ------
    ConfigurationError
        If there are not so many cores, or copies of so many threads need more.
    """
    if ncores is not None and not 1 <= ncores <= usable_cpus():
        raise ConfigurationError(f"ncores {ncores}: this process may use 1 to {usable_cpus()} cores here")
    if copies in (0, "auto"):
        copies = max(1, (ncores or usable_cpus()) // threads)
    if ncores is not None and int(copies) * threads > ncores:
        raise ConfigurationError(
            f"ncores {ncores}: {copies} copies of benchmark.threads {threads} need {int(copies) * threads} "
            "cores; lower one of them"
        )
    return int(copies)
