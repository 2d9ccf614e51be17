"""Linear algebra of small matrices on one thread."""

from __future__ import annotations

import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

from mlpf_hpo.predictors.regressors.one_thread import one_blas_thread


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_every_library_is_limited_and_gets_its_threads_back() -> None:
    with threadpool_limits(2, "blas"):
        before = threads()
        assert set(before) == {2}
        for _ in range(2):
            with one_blas_thread():
                assert threads() == [1] * len(before)
            assert threads() == before
