"""Warnings of libraries about what is meant to be."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fewer_rows_than_quantiles() -> Iterator[None]:
    """Silence scikit-learn where rows are fewer than the quantiles asked for: as many are taken."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_quantiles .* is greater than")
        yield
