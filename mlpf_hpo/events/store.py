"""An event store: flat arrays on disk, memory-mapped, with a manifest.

A trial opens it without reading it, and all trials of a machine share its pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.events.arrays import GrowingArray, again, map_array
from mlpf_hpo.events.schema import N_FEATURES, N_TARGETS, Event
from mlpf_hpo.file_kind import EVENT_FORMATS, PICKLES, file_kind
from mlpf_hpo.files import SEAL, is_sealed, sealed, sha256, written_whole
from mlpf_hpo.remedies import make

SCHEMA_VERSION = 2
"""2: a store may be without generator jets."""

ARRAYS: dict[str, tuple[type, tuple[int, ...]]] = {
    "features": (np.float32, (N_FEATURES,)),
    "targets": (np.float32, (N_TARGETS,)),
    "candidates": (np.float32, (N_TARGETS,)),
    "generator_jets": (np.float32, (4,)),
    "generator_met": (np.float32, (2,)),
    "numbers": (np.int64, ()),
    "offsets": (np.int64, ()),
    "jet_offsets": (np.int64, ()),
}
"""Arrays of a store: type and shape of a row. Offsets say where the rows of each event begin and end."""

OFFSETS = {"offsets": "features", "jet_offsets": "generator_jets"}
"""Offsets, and an array whose rows they part."""

MANIFEST = "manifest.json"

_ANOTHER_PLACE = "name a folder of its own for the store"

GENERATE = "`mlpf-hpo events generate` makes stores elsewhere"


class EventStore:
    """Events on disk, opened for reading.

    Use `EventStore.open` or `write_store`.

    Attributes
    ----------
    path : path
        Its folder.
    manifest : dict
        schema_version, process, pileup, n_events, n_elements, has_candidates, has_generator_jets, settings
        (how the events were made), files (name -> sha256, bytes) and digest.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path = path
        self.manifest = manifest
        self._arrays = arrays

    @staticmethod
    def open(path: Path | str) -> EventStore:
        """Open a store, in a time that does not depend on the number of events.

        A damaged manifest, or a file of another size than recorded, is noticed here.

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
        for name, (dtype, columns) in ARRAYS.items():
            file = _file(path, name)
            arrays[name] = map_array(file, manifest["files"][file.name], dtype, columns)
        _check_offsets(path, manifest, arrays)
        return EventStore(path, manifest, arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to other processes as a path: they map the same pages."""
        return EventStore.open, (self.path,)

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self.manifest["n_events"])

    def __getitem__(self, index: int) -> Event:
        """Return an event; its arrays are views of the mapped files.

        Raises
        ------
        IndexError
            If there is no such event.
        DataError
            If the offsets are damaged.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"event {index} of {len(self)}")
        i = index % len(self)
        a, manifest = self._arrays, self.manifest
        rows = self._rows("offsets", i)
        has_jets = manifest["has_generator_jets"]
        return Event(
            features=a["features"][rows],
            targets=a["targets"][rows],
            candidates=a["candidates"][rows] if manifest["has_candidates"] else None,
            number=int(a["numbers"][i]),
            process=manifest["process"],
            pileup=manifest["pileup"],
            generator_jets=a["generator_jets"][self._rows("jet_offsets", i)] if has_jets else None,
            generator_met=a["generator_met"][i] if has_jets else None,
        )

    def _rows(self, name: str, i: int) -> slice:
        """Return the rows of an event. Offsets are looked at here, not all of them on opening."""
        offsets = self._arrays[name]
        begin, end = int(offsets[i]), int(offsets[i + 1])
        if not 0 <= begin <= end <= len(self._arrays[OFFSETS[name]]):
            raise DataError(
                f"{_file(self.path, name)}: damaged: not the offsets of {OFFSETS[name]}; {again(self.path)}"
            )
        return slice(begin, end)

    @property
    def element_counts(self) -> IntArray:
        """Number of elements of each event."""
        return np.diff(self._arrays["offsets"])

    @property
    def digest(self) -> str:
        """Digest of content and settings: equal for equal events made in the same way."""
        return str(self.manifest[SEAL])

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises
        ------
        DataError
            Naming the first file that differs.
        """
        for name, record in self.manifest["files"].items():
            file = self.path / name
            if not file.is_file() or sha256(file) != record["sha256"]:
                raise DataError(f"{file}: damaged: its checksum is not that of the manifest; {again(file)}")


def whole_store(path: Path) -> EventStore | None:
    """Return a store whose files are all as they were written, or None."""
    try:
        store = EventStore.open(path)
        store.verify()
    except (MissingInputError, DataError):
        return None
    return store


def check_replaceable(path: Path) -> None:
    """Refuse to replace what is no store: a store that is made at `path` takes the place of what is there.

    A folder of nothing but a store's files may be replaced, whole or damaged, and so may an empty one.

    Raises
    ------
    DataError
        If a file is there, or a folder that holds anything else.
    """
    if path.is_file():
        raise DataError(
            f"{path}: {file_kind(path)}, not an event store, and is not replaced; {_ANOTHER_PLACE}"
        )
    if not path.is_dir():
        return
    own = {MANIFEST, *(_file(path, name).name for name in ARRAYS)}
    other = sorted({file.name for file in path.iterdir()} - own)
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        raise DataError(
            f"{path}: a folder with {other[0]}{more}, not an event store, and is not replaced; "
            f"{_ANOTHER_PLACE}"
        )


def sample_stores(folder: Path) -> tuple[Path, Path]:
    """Return where the stores of training and validation lie in a folder of events.

    Raises
    ------
    ConfigurationError
        If the folder is a store itself.
    """
    if (folder / MANIFEST).is_file():
        raise ConfigurationError(
            f"{folder}: an event store itself; name a folder that holds two of them, train and validation"
        )
    return folder / "train", folder / "validation"


def write_store(path: Path | str, events: Iterable[Event], settings: Mapping[str, Any]) -> EventStore:
    """Write events to a new store as they come, whole or not at all, and open it.

    All events are of one process and pile-up; all have candidates or none, and the same for generator jets.
    The manifest says by `settings`, JSON values, how they were made. A store that was at `path` is replaced.

    Raises
    ------
    DataError
        If there are no events, they are of several kinds or of the wrong shape, something that is no store is
        at `path`, or the file system refuses.
    """
    path = Path(path)
    check_replaceable(path)
    with written_whole(path) as temporary:
        temporary.mkdir()
        with ExitStack() as stack:
            arrays = {
                name: stack.enter_context(GrowingArray(_file(temporary, name), dtype, columns))
                for name, (dtype, columns) in ARRAYS.items()
            }
            manifest = {"schema_version": SCHEMA_VERSION, **_append_all(arrays, events, path)}
        files = {}
        for name in ARRAYS:
            file = _file(temporary, name)
            files[file.name] = {"sha256": sha256(file), "bytes": file.stat().st_size}
        manifest = sealed({**manifest, "settings": dict(settings), "files": files})
        text = json.dumps(manifest, indent=1, allow_nan=False)
        (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return EventStore.open(path)


def _append_all(arrays: dict[str, GrowingArray], events: Iterable[Event], path: Path) -> dict[str, Any]:
    """Append events to the arrays and return what the manifest says of them all."""
    kind: dict[str, Any] = {}
    for offsets in ("offsets", "jet_offsets"):
        arrays[offsets].append(np.zeros(1, np.int64))
    for event in events:
        _check_event(event, path)
        found = {
            "process": event.process,
            "pileup": event.pileup,
            "has_candidates": event.candidates is not None,
            "has_generator_jets": event.generator_jets is not None,
        }
        kind = kind or found
        if found != kind:
            raise DataError(f"{path}: events of several kinds in one store: {kind}, then {found}")
        arrays["features"].append(event.features)
        arrays["targets"].append(event.targets)
        if event.candidates is not None:
            arrays["candidates"].append(event.candidates)
        if event.generator_jets is not None and event.generator_met is not None:
            arrays["generator_jets"].append(event.generator_jets)
            arrays["generator_met"].append(event.generator_met[None])
        arrays["numbers"].append(np.array([event.number]))
        arrays["offsets"].append(np.array([arrays["features"].rows]))
        arrays["jet_offsets"].append(np.array([arrays["generator_jets"].rows]))
    if not kind:
        raise DataError(f"{path}: a store needs at least one event")
    return {**kind, "n_events": arrays["numbers"].rows, "n_elements": arrays["features"].rows}


def _check_event(event: Event, path: Path) -> None:
    per_element = {"features": event.features, "targets": event.targets, "candidates": event.candidates}
    other = {"generator_jets": event.generator_jets, "generator_met": event.generator_met}
    for name, array in {**per_element, **other}.items():
        if array is None:
            continue
        if name in per_element and len(array) != len(event):
            raise DataError(f"{path}: event {event.number}: {len(array)} {name} for {len(event)} elements")
        if not np.isfinite(array).all():
            raise DataError(f"{path}: event {event.number}: {name} are not all finite")


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no event store; {_instead(path)}") from None
    except NotADirectoryError:
        message = f"{path}: {file_kind(path)}, not an event store, which is a folder; {_origin_of([path])}"
        raise DataError(message) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file}: damaged: {error!r}; {again(file)}") from None
    if version != SCHEMA_VERSION:
        raise DataError(f"{file}: schema version {version} and not {SCHEMA_VERSION}; {again(file)}")
    if not is_sealed(manifest):
        raise DataError(f"{file}: damaged: its digest is not that of its content; {again(file)}")
    return dict(manifest)


def _instead(path: Path) -> str:
    """Return what to do where a store is wanted and none is: by the files of others that lie there."""
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.glob("*") if file.is_file())
    files = [file for file in files if file_kind(file) in EVENT_FORMATS]
    if not files:
        return f"the stage `events` makes it in data/events ({make('events', path)}); {GENERATE}"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{folder} holds {files[0].name} ({file_kind(files[0])}){more}: {_origin_of(files)}"


COMMANDS = {
    **dict.fromkeys(
        PICKLES, ("files in the format of Zenodo record 4559324", "import-zenodo {} --out STORE")
    ),
    "a ROOT file": ("ROOT files of Delphes", "import-delphes {} --process NAME --out STORE"),
    "a HepMC file": ("HepMC files", "simulate {} --process NAME --out STORE"),
    "a Les Houches event file": (
        "Les Houches files",
        "simulate {} --shower --process NAME --out STORE",
    ),
}
"""What files of a kind are taken for, and the command that makes a store of them."""


def _origin_of(files: Sequence[Path]) -> str:
    """Return how files of somebody else's events become a store."""
    kinds = ["a HepMC file" if ".hepmc" in file.name else file_kind(file) for file in files]
    known = next((COMMANDS[kind] for kind in kinds if kind in COMMANDS), None)
    if known is None:
        wanted = "files of Delphes, HepMC or Zenodo record 4559324"
        return f"{wanted} become a store, see `mlpf-hpo events --help`; {GENERATE}"
    what, command = known
    where = files[0] if len(files) == 1 else files[0].parent
    return f"{what} become a store by `mlpf-hpo events {command.format(where)}`"


def _check_offsets(path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse offsets that do not span the arrays; those in between are looked at when an event is."""
    for name, of in OFFSETS.items():
        offsets = arrays[name]
        if len(offsets) != manifest["n_events"] + 1 or offsets[0] != 0 or offsets[-1] != len(arrays[of]):
            raise DataError(f"{_file(path, name)}: damaged: not the offsets of {of}; {again(path)}")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
