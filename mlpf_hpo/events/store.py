"""An event store: flat arrays on disk, memory-mapped, with a manifest that says what they hold.

A trial opens it without reading it, and all trials of a machine share its pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.events.schema import N_FEATURES, N_TARGETS, Event
from mlpf_hpo.files import written_whole
from mlpf_hpo.space import stable_hash

SCHEMA_VERSION = 1

ARRAYS = {
    "features": (np.float32, N_FEATURES),
    "targets": (np.float32, N_TARGETS),
    "candidates": (np.float32, N_TARGETS),
    "generator_jets": (np.float32, 4),
    "generator_met": (np.float32, 2),
    "offsets": (np.int64, None),
    "jet_offsets": (np.int64, None),
    "numbers": (np.int64, None),
}
"""Arrays of a store: type and number of columns. Offsets say where each event's rows begin and end."""

CHUNK = 2**20


class EventStore:
    """Events on disk, opened for reading.

    Use `EventStore.open` or `write_store`.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path = path
        self.manifest = manifest
        self._arrays = arrays

    @staticmethod
    def open(path: Path | str) -> EventStore:
        """Open a store; a damaged manifest, or a file of another size than recorded, is noticed here.

        Raises
        ------
        MissingInputError
            If there is no store.
        DataError
            If it is damaged; the message names the file.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        arrays = {}
        for name, record in manifest["files"].items():
            file = path / name
            if not file.is_file() or file.stat().st_size != record["bytes"]:
                found = f"{file.stat().st_size} bytes" if file.is_file() else "nothing"
                raise DataError(f"{file}: damaged: {record['bytes']} bytes expected, {found} there; {_AGAIN}")
            try:
                arrays[file.stem] = np.load(file, mmap_mode="c", allow_pickle=False)
            except (ValueError, OSError) as error:
                raise DataError(f"{file}: damaged: {error}; {_AGAIN}") from None
        return EventStore(path, manifest, arrays)

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self.manifest["n_events"])

    def __getitem__(self, index: int) -> Event:
        """Return an event; its arrays are views of the mapped files."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"event {index} of {len(self)}")
        i = index % len(self)
        a = self._arrays
        rows = slice(int(a["offsets"][i]), int(a["offsets"][i + 1]))
        jets = slice(int(a["jet_offsets"][i]), int(a["jet_offsets"][i + 1]))
        candidates = a["candidates"][rows] if self.manifest["has_candidates"] else None
        return Event(
            features=a["features"][rows],
            targets=a["targets"][rows],
            candidates=candidates,
            number=int(a["numbers"][i]),
            process=self.manifest["process"],
            pileup=self.manifest["pileup"],
            generator_jets=a["generator_jets"][jets],
            generator_met=a["generator_met"][i],
        )

    @property
    def element_counts(self) -> NDArray[np.int64]:
        """Number of elements of each event."""
        return np.diff(self._arrays["offsets"])

    @property
    def digest(self) -> str:
        """Digest of content and settings: equal for equal events."""
        checksums = {name: record["sha256"] for name, record in self.manifest["files"].items()}
        return stable_hash([checksums, self.manifest["settings"]], length=16)

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises
        ------
        DataError
            Naming the first file that differs.
        """
        for name, record in self.manifest["files"].items():
            if _sha256(self.path / name) != record["sha256"]:
                raise DataError(
                    f"{self.path / name}: damaged: its checksum is not that of the manifest; {_AGAIN}"
                )


_AGAIN = "make the store again with: dvc repro -f events"


def write_store(path: Path | str, events: Iterable[Event], settings: Mapping[str, Any]) -> EventStore:
    """Write events to a new store, whole or not at all, and open it.

    Parameters
    ----------
    path : path
        Folder of the store; what was there is replaced.
    events : iterable of Event
        All of one process and pile-up.
    settings : mapping
        How they were made, for the manifest; JSON values.

    Raises
    ------
    DataError
        If there are no events, they are of several kinds, or the file system refuses.
    """
    path = Path(path)
    listed = list(events)
    _check(listed, path)
    has_candidates = listed[0].candidates is not None
    columns: dict[str, list[NDArray[Any]]] = {
        "features": [event.features for event in listed],
        "targets": [event.targets for event in listed],
        "candidates": [event.candidates for event in listed if event.candidates is not None],
        "generator_jets": [event.generator_jets for event in listed],
        "generator_met": [event.generator_met[None] for event in listed],
    }
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.cumsum([0, *map(len, listed)]),
        "jet_offsets": np.cumsum([0, *(len(event.generator_jets) for event in listed)]),
        "numbers": np.array([event.number for event in listed]),
    }
    for name, parts in columns.items():
        width = ARRAYS[name][1]
        arrays[name] = np.concatenate(parts) if parts else np.zeros((0, width or 0))
    with written_whole(path) as temporary:
        temporary.mkdir()
        files = {}
        for name, (dtype, _) in ARRAYS.items():
            file = temporary / f"{name}.npy"
            np.save(file, np.ascontiguousarray(arrays[name], dtype=dtype))
            files[file.name] = {"sha256": _sha256(file), "bytes": file.stat().st_size}
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "process": listed[0].process,
            "pileup": listed[0].pileup,
            "n_events": len(listed),
            "n_elements": int(arrays["offsets"][-1]),
            "has_candidates": has_candidates,
            "settings": dict(settings),
            "files": files,
        }
        (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return EventStore.open(path)


def _check(events: list[Event], path: Path) -> None:
    if not events:
        raise DataError(f"{path}: a store needs at least one event")
    kinds = {(event.process, event.pileup, event.candidates is None) for event in events}
    if len(kinds) > 1:
        raise DataError(f"{path}: events of several kinds in one store: {sorted(map(str, kinds))}")


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_text())
        version = manifest["schema_version"]
    except FileNotFoundError:
        raise MissingInputError(
            f"{path}: no event store; the stage `events` makes it (dvc repro events)"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: damaged: {error!r}; {_AGAIN}") from None
    if version != SCHEMA_VERSION:
        raise DataError(f"{file}: schema version {version}, this package reads {SCHEMA_VERSION}; {_AGAIN}")
    return dict(manifest)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
