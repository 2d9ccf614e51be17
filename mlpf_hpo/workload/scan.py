"""A scan over copies and threads: which setting of this machine gives the most events per second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.workload.benchmark import BenchmarkResult, run_benchmark


def settings_of(cores: int) -> Iterator[tuple[int, int]]:
    """Yield copies and threads that load at most so many cores: threads and copies double.

    Examples
    --------
    >>> list(settings_of(3))
    [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)]
    """
    for threads in _doubled(cores):
        for copies in _doubled(cores // threads):
            yield copies, threads


def scan(
    events: Path,
    folder: Path,
    cores: int,
    on_start: Callable[[int, int], None] = lambda *_: None,
    **settings: Any,
) -> list[BenchmarkResult]:
    """Run the benchmark with every setting, each in ``<folder>/<copies>x<threads>``.

    `settings` are those of `run_benchmark`; `on_start` is called with copies and threads before each run.

    Raises
    ------
    ConfigurationError
        If there is no core.
    DataError
        If a run failed: a curve with a hole says nothing.
    """
    if cores < 1:
        raise ConfigurationError(f"{cores} cores: at least one is needed")
    results = []
    for copies, threads in settings_of(cores):
        on_start(copies, threads)
        place = folder / f"{copies}x{threads}"
        result = run_benchmark(events, place, copies=copies, threads=threads, **settings)
        if result.exit_status:
            raise DataError(f"{place}: {result.report['report']['log']}")
        results.append(result)
    return results


def _doubled(limit: int) -> list[int]:
    """Return 1, 2, 4 ... below the limit, and the limit; nothing below 1."""
    return sorted({2**k for k in range(limit.bit_length()) if 2**k <= limit} | {limit}) if limit else []
