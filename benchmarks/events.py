"""What events cost to make, validate, import, read and share: ``python -m benchmarks.events``."""

from __future__ import annotations

import bz2
import pickle
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.command import command, report
from benchmarks.generation import generation
from benchmarks.judging import judging
from benchmarks.readers import memory_of_readers
from mlpf_hpo.config import Params
from mlpf_hpo.events.batches import EpochSampler
from mlpf_hpo.events.datamodule import EventDataset, event_loader
from mlpf_hpo.events.importing import import_files
from mlpf_hpo.events.schema import TRACK, Event
from mlpf_hpo.events.sources.zenodo import ZenodoReader
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.events.zenodo import write_zenodo
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.workload.mlpf_training import CONFIGURATION

READERS = 8
BUSY, CALM = 5000, 120
"""Elements of an event with 200 pile-up collisions, and without."""


def made_up(n_events: int, elements: int) -> Iterator[Event]:
    """Yield events with about so many elements; a few different ones, again and again."""
    generator = np.random.default_rng(1)
    different = []
    for _ in range(min(n_events, 20)):
        n = int(elements * generator.uniform(0.8, 1.2))
        features = generator.lognormal(size=(n, 12)).astype(np.float32)
        features[:, 0] = TRACK
        targets = generator.lognormal(size=(n, 7)).astype(np.float32)
        targets[:, 0] = generator.integers(0, 6, n)
        different.append((features, targets))
    for number in range(n_events):
        features, targets = different[number % len(different)]
        yield Event(features, targets, targets, number, "ttbar", 200.0, None, None)


def best(repetitions: int, work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the least time that some work took, in seconds."""
    times = []
    for _ in range(repetitions):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def zenodo(folder: Path, quick: bool) -> dict[str, float]:
    """Compare an import, one worker, with plain bz2 and pickle on the same file; processor time of both."""
    files = write_zenodo(
        write_store(folder / "source", made_up(20 if quick else 100, BUSY), {}), folder / "files"
    )

    def plain() -> None:
        for file in files:
            with bz2.open(file) as stream:
                pickle.load(stream)  # noqa: S301 - our own file

    def imported() -> None:
        import_files(files, folder / "store", ZenodoReader("ttbar", pileup=200.0), workers=1)

    plain_seconds = best(3, plain, time.process_time)
    import_seconds = best(3, imported, time.process_time)
    return {
        "zenodo.ratio_vs_pickle": import_seconds / plain_seconds,
        "zenodo.events_per_second_per_core": len(EventStore.open(folder / "store")) / import_seconds,
    }


def reading(folder: Path, quick: bool) -> dict[str, float]:
    """Measure reading batches beside training steps at default settings, in one process and with a worker."""
    params = Params()
    store = write_store(folder / "calm", made_up(params.events.train.events, CALM), {})
    torch.set_num_threads(params.training.threads)
    order = EpochSampler(len(store), seed=1)
    batching = {"batch_size": params.training.batch_events, "sampler": order}
    module = MLPFModule(CONFIGURATION, params.network, seed=1).train()
    optimiser = module.configure_optimizers()
    waits, steps = [], []
    for _ in range(6 if quick else 30):
        since = time.perf_counter()
        for i, batch in enumerate(event_loader(store, **batching)):
            there = time.perf_counter()
            optimiser.zero_grad()
            module.training_step(batch, i).backward()
            optimiser.step()
            done = time.perf_counter()
            waits.append(there - since)
            steps.append(done - there)
            since = done
    alone = best(5, lambda: list(event_loader(store, **batching)))
    worker = event_loader(store, num_workers=1, persistent_workers=True, **batching)
    return {
        "store.share_of_step": statistics.median(waits) / statistics.median(steps),
        "store.batch_us": 1e6 * statistics.median(waits),
        "store.worker_ratio": best(5, lambda: list(worker)) / alone,
    }


def access(folder: Path, quick: bool) -> dict[str, float]:
    """Measure random access to single events, and opening stores of different numbers of events."""
    n_events = 2_000 if quick else 20_000
    large = write_store(folder / "many", made_up(n_events, CALM), {})
    small = write_store(folder / "few", made_up(n_events // 100, CALM), {})
    chosen = np.random.default_rng(2).integers(0, n_events, 2_000).tolist()
    graphs = EventDataset(large)
    open_large = best(50, lambda: EventStore.open(large.path))
    return {
        "store.random_access_us": 1e6 / len(chosen) * best(5, lambda: [large[i] for i in chosen]),
        "store.random_graph_us": 1e6 / len(chosen) * best(5, lambda: [graphs[i] for i in chosen]),
        "store.open_ms": 1e3 * open_large,
        "store.open_ratio_large": open_large / best(50, lambda: EventStore.open(small.path)),
    }


def memory(folder: Path, quick: bool) -> dict[str, float]:
    """Measure what 8 processes that have read all of a store take of memory, over the store's size."""
    megabytes = 100 if quick else 1000
    per_event = BUSY * 4 * 26 / 1e6
    store = write_store(folder / "shared", made_up(int(megabytes / per_event), BUSY), {})
    size = sum(record["bytes"] for record in store.manifest["files"].values())
    grown = memory_of_readers(store.path, READERS)
    return {"store.pss_ratio_8_readers": sum(grown) / size, "store.megabytes": size / 1e6}


PARTS: dict[str, Callable[[Path, bool], dict[str, float]]] = {
    "generation": generation,
    "judging": judging,
    "zenodo": zenodo,
    "reading": reading,
    "access": access,
    "memory": memory,
}
"""What is measured: each part gets a folder of its own and whether to be quick, and returns named numbers."""


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick="a minute instead of several", parts=PARTS)
    numbers: dict[str, float] = {}
    for name in options.parts:
        folder = Path(tempfile.mkdtemp())
        try:
            numbers.update(PARTS[name](folder, options.quick))
        finally:
            shutil.rmtree(folder)
    report(numbers, options.json)


if __name__ == "__main__":
    main()
