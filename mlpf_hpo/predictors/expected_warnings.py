"""Context managers that silence expected warnings of libraries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fewer_rows_than_quantiles() -> Iterator[None]:
    """Silence scikit-learn's warning of fewer rows than quantiles: it then uses as many quantiles as rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_quantiles .* is greater than")
        yield
