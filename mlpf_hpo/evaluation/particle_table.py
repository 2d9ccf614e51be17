"""Reconstructed particles as a Parquet table, which any data frame library reads."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.evaluation.sample import COS_PHI, ENERGY, ETA, PID, PT, SIN_PHI
from mlpf_hpo.events.schema import CLASSES, TARGETS
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.files import write_bytes

METADATA = "mlpf_hpo.reconstruction"
"""Key of the file's metadata; its value is JSON: network, checkpoint and events."""

CHARGE = TARGETS.index("charge")

CHARGED = tuple(CLASSES.index(name) for name in ("charged hadron", "electron", "muon"))

MOMENTA = {"pt": PT, "eta": ETA, "sin_phi": SIN_PHI, "cos_phi": COS_PHI, "energy": ENERGY}


def particle_table(store: EventStore, rows: FloatArray) -> pa.Table:
    """Return the particles among rows [N, 7] at all elements of a store, one a line.

    Columns are `event` (its number in the sample), `element` (its place in the event, from 0), `class` (a
    name of `CLASSES`), `charge` (-1, 0 or 1: by the class, and its sign as the network says), `pt` and
    `energy` in GeV, `eta`, `sin_phi` and `cos_phi` as the network says them, each by itself: an energy may be
    less than its momentum. Elements that carry no particle are left out.
    """
    counts = store.element_counts
    numbers = np.array([store[i].number for i in range(len(store))])
    seen = rows[:, PID] > 0
    element = np.concatenate([np.arange(count) for count in counts])
    said = rows[seen]
    pid = said[:, PID].astype(np.int8)
    sign = np.where(said[:, CHARGE] < 0, -1, 1)
    return pa.table(
        {
            "event": np.repeat(numbers, counts)[seen],
            "element": element[seen].astype(np.int32),
            "class": pa.DictionaryArray.from_arrays(pid, list(CLASSES)),
            "charge": np.where(np.isin(pid, CHARGED), sign, 0).astype(np.int8),
            **{name: said[:, column].astype(np.float32) for name, column in MOMENTA.items()},
        }
    )


def write_particles(path: Path, table: pa.Table, about: Mapping[str, Any]) -> None:
    """Write a table of particles, whole or not at all; `about`, JSON values, goes into the file's metadata.

    Raises
    ------
    StorageError
        If the file system refuses.
    """
    stream = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata({METADATA: json.dumps(about)}), stream, write_page_checksum=True
    )
    write_bytes(path, stream.getvalue())
