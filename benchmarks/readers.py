"""Processes that read all of a store at once, and the memory that this takes.

``python -m benchmarks.readers STORE N`` prints by how many bytes each of N processes grew. A module of its
own, because processes import the one that starts them: this one is small.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlpf_hpo.events.store import EventStore

ROOT = Path(__file__).parents[1]

PATIENCE = 300.0
"""Seconds that processes wait for each other: one may have been killed."""


def memory_of_readers(store: Path, n: int) -> list[int]:
    """Return by how many bytes each of n processes grows (proportional set size) when all read a store."""
    command = [sys.executable, "-m", "benchmarks.readers", str(store.resolve()), str(n)]
    end = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    grown: list[int] = json.loads(end.stdout)
    return grown


def read_all(path: str, barrier: Any, grown: Any) -> None:
    """Read a store, together with the other processes, and tell by how much that grew this one."""
    store = EventStore.open(path)
    barrier.wait()
    before = proportional_set_size()
    barrier.wait()
    for i in range(len(store)):
        event = store[i]
        for array in (event.features, event.targets, event.candidates):
            if array is not None:
                array.sum()
    barrier.wait()  # a page is shared out among all when all have read it
    grown.put(proportional_set_size() - before)
    barrier.wait()


def proportional_set_size() -> int:
    """Return the memory of this process in bytes; of a page that n processes share, an n-th."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    if found is None:
        raise RuntimeError("this kernel does not tell proportional set sizes")
    return int(found[1]) * 1024


def main(path: str, n: str) -> None:
    """Start the processes and print what they tell."""
    context = multiprocessing.get_context("spawn")
    barrier, grown = context.Barrier(int(n), timeout=PATIENCE), context.Queue()
    arguments = path, barrier, grown
    processes = [context.Process(target=read_all, args=arguments, daemon=True) for _ in range(int(n))]
    for process in processes:
        process.start()
    told = [grown.get(timeout=2 * PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
