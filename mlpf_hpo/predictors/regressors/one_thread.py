"""`one_blas_thread`: linear algebra on matrices of a few dozen rows, on one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import scipy.linalg  # noqa: F401  its library has to be there when they are looked for
from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which matrix products and factorisations run on one thread.

    On matrices of a few dozen rows threads cost more than they save; on a busy machine, six times.
    """
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    # To look for the libraries of the process takes a quarter of the time of a fit.
    return ThreadpoolController()
