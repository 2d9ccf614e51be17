"""Events as Parquet for analysis: nested lists, one row an event, as Awkward Array reads them.

Each element has its features by name, with its target and its candidate as records; tracks and towers, whose
features differ, are two lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.events.schema import TARGETS, TOWER, TOWER_FEATURES, TRACK, TRACK_FEATURES, Event
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.files import written_whole

ROW_GROUP = 50
"""Events that are written together: all that is in memory, and what a reader can skip."""

KINDS = {"tracks": (TRACK, TRACK_FEATURES), "towers": (TOWER, TOWER_FEATURES)}
JET, MET = ("pt", "eta", "phi", "mass"), ("px", "py")


def write_parquet(store: EventStore, path: Path, progress: Callable[[int, int], Any] | None = None) -> None:
    """Write the events of a store to a file, whole or not at all; `progress` gets (events done, in all).

    Columns: number; tracks and towers, lists of records with the features of `schema`, `target` and
    `candidate` (pid, charge, pt, eta, sin_phi, cos_phi, energy); generator_jets, a list of records, and
    generator_met. What the store does not have is left out. The file's metadata say process, pile-up and
    digest.

    Raises
    ------
    StorageError
        If the file system refuses.
    """
    manifest = store.manifest
    about = {name: str(manifest[name]) for name in ("process", "pileup")} | {"events_digest": store.digest}
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        writer = None
        for start in range(0, len(store), ROW_GROUP):
            stop = min(start + ROW_GROUP, len(store))
            table = _table([store[i] for i in range(start, stop)]).replace_schema_metadata(about)
            writer = writer or pq.ParquetWriter(stream, table.schema)
            writer.write_table(table)
            if progress is not None:
                progress(stop, len(store))
        if writer is not None:
            writer.close()


def _table(events: Sequence[Event]) -> pa.Table:
    columns: dict[str, pa.Array] = {"number": pa.array([event.number for event in events], pa.int64())}
    columns |= {name: _elements(events, *kind) for name, kind in KINDS.items()}
    jets = [event.generator_jets for event in events if event.generator_jets is not None]
    met = [event.generator_met for event in events if event.generator_met is not None]
    if jets and met:
        columns["generator_jets"] = _lists(_records(np.concatenate(jets), JET), [len(one) for one in jets])
        columns["generator_met"] = _records(np.stack(met), MET)
    return pa.table(columns)


def _elements(events: Sequence[Event], kind: int, features: Sequence[str]) -> pa.Array:
    """Return the elements of one kind as lists of records."""
    chosen = [event.features[:, 0] == kind for event in events]
    rows = np.concatenate([event.features[own] for event, own in zip(events, chosen, strict=True)])
    fields = dict(zip(features[1:], _columns(rows[:, 1 : len(features)]), strict=True))
    parts: dict[str, list[Any]] = {
        "target": [event.targets for event in events],
        "candidate": [event.candidates for event in events],
    }
    for name, tables in parts.items():
        known = [table[own] for table, own in zip(tables, chosen, strict=True) if table is not None]
        if known:
            fields[name] = _records(np.concatenate(known), TARGETS)
    return _lists(
        pa.StructArray.from_arrays(list(fields.values()), list(fields)), [int(own.sum()) for own in chosen]
    )


def _records(rows: NDArray[np.float32], names: Sequence[str]) -> pa.StructArray:
    return pa.StructArray.from_arrays(_columns(rows), list(names))


def _columns(rows: NDArray[np.float32]) -> list[pa.Array]:
    return [pa.array(np.ascontiguousarray(column)) for column in rows.T]


def _lists(values: pa.Array, counts: Sequence[int]) -> pa.ListArray:
    offsets: IntArray = np.cumsum([0, *counts])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
