"""Calls shared out to processes by joblib, with results in the order of the calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

from joblib import Parallel, delayed

from mlpf_hpo.process_start import uninterrupted_start

Result = TypeVar("Result")


def parallel(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], jobs: int
) -> Iterator[Result]:
    """Yield the results of calls in the order of their arguments.

    Parameters
    ----------
    function : callable
        It can be pickled, unless `jobs` is 1.
    arguments : iterable of tuple
        Positional arguments of each call.
    jobs : int
        Number of processes, see `joblib.Parallel`; with 1, this process makes the calls.

    Examples
    --------
    >>> list(parallel(pow, [(2, 3), (3, 2)], jobs=1))
    [8, 9]
    """
    results: Generator[Result, None, None] | None = None
    try:
        with uninterrupted_start():
            results = Parallel(n_jobs=jobs, return_as="generator")(
                delayed(function)(*each) for each in arguments
            )
        for result in results:  # noqa: UP028 - `yield from` passes the end on to joblib, which warns
            yield result
    finally:
        if results is not None:
            with warnings.catch_warnings():  # of calls under way that are given up: they are meant to be
                warnings.simplefilter("ignore", UserWarning)
                results.close()
