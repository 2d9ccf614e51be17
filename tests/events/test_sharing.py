"""A store is held once, however many processes read it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.readers import memory_of_readers
from mlpf_hpo.events.store import EventStore, write_store

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="the kernel reports no proportional set sizes"
)


@needs_proc
def test_eight_readers_hold_a_store_once(make_event, tmp_path) -> None:
    event = make_event(20_000)
    store = write_store(tmp_path / "store", (event for _ in range(30)), {})
    size = sum(record["bytes"] for record in store.manifest["files"].values())
    assert size > 60_000_000
    grown = memory_of_readers(store.path, 8)
    assert len(grown) == 8
    # Some megabytes of the processes' own come on top; eight copies would be 8.
    assert 0.9 < sum(grown) / size < 1.5


def test_a_store_travels_as_its_path(make_event, tmp_path) -> None:
    store = write_store(tmp_path / "store", [make_event(50_000)], {})
    function, arguments = store.__reduce__()
    assert (function, arguments) == (EventStore.open, (tmp_path / "store",))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        digest, total = pool.submit(_look_at, store).result()
    assert digest == store.digest
    assert total == np.float64(store[0].features.sum(dtype=np.float64))


def _look_at(store: EventStore) -> tuple[str, float]:
    return store.digest, float(store[0].features.sum(dtype=np.float64))
