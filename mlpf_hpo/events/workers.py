"""Pool of worker processes: results in order, few of them in memory."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.process_start import uninterrupted_start

Result = TypeVar("Result")


class Workers:
    """Processes that call functions; a single worker is the calling process itself.

    A context manager. Left by an error or Ctrl-C, it ends its processes at once: starting Pythia takes many
    seconds that no signal interrupts.
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ConfigurationError(f"events.workers: {n} processes cannot make events")
        self.n = n
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.n > 1:
            self._executor = ProcessPoolExecutor(
                self.n,
                # Fresh processes: a fork would copy the locks of whatever threads the caller has.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=end_with_caller,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._executor is None:
            return
        if kind is not None:
            for process in list((self._executor._processes or {}).values()):  # public from Python 3.14 on
                process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[..., Result], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """Yield the results of calls in the order of their arguments.

        Raises
        ------
        ConfigurationError
            If a process was ended from outside.
        """
        if self._executor is None:
            yield from (function(*job) for job in jobs)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                with uninterrupted_start():
                    waiting.append(self._executor.submit(function, *job))
                if len(waiting) > self.n:  # one more than there are processes, so that none stands idle
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise ConfigurationError(
                f"events.workers: one of {self.n} processes was ended from outside (out of memory?), and "
                "nothing was written; try with fewer"
            ) from None


def end_with_caller(left_behind: Path | None = None) -> None:
    """End this process when the one that started it ends, and remove a folder that it cannot remove then."""
    threading.Thread(target=_wait_for_end, args=(left_behind,), daemon=True).start()


def _wait_for_end(left_behind: Path | None) -> None:
    """Leave when the caller is gone: a worker of a killed caller would wait for work forever."""
    caller = multiprocessing.parent_process()
    if caller is not None:
        caller.join()
        if left_behind is not None:
            shutil.rmtree(left_behind, ignore_errors=True)
        os._exit(1)
