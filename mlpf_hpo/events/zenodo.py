"""The file format of the published dataset, Zenodo 4559324: read and written.

A file is a bz2-compressed pickle of ``{"X": [...], "ygen": [...], "ycand": [...]}``: features, targets and
candidates of some 100 events, an array [N, 12] or [N, 7] each. It holds no generator jets, and says neither
process nor pile-up; files that this package writes have both under a key of their own, which other programs
ignore.
"""

from __future__ import annotations

import bz2
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.events.pickled_arrays import PickledArray
from mlpf_hpo.events.restricted_unpickler import MAX_BYTES, load_pickle
from mlpf_hpo.events.schema import N_CLASSES, N_FEATURES, N_TARGETS, TOWER, TRACK, Event, FloatArray
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.events.targets import CHARGED_HADRON, ELECTRON, MUON
from mlpf_hpo.files import written_whole

COLUMNS = {"X": N_FEATURES, "ygen": N_TARGETS, "ycand": N_TARGETS}
"""What is read of a file, and the columns of its arrays; further keys are ignored."""

SUFFIX = ".pkl.bz2"
"""Of the published files, and of those written."""

PATTERNS = (f"*{SUFFIX}", "*.pkl", "*.pkl.gz", "*.pkl.xz")
"""Names of the files that are read out of a folder; others can be given by name."""

ORIGIN = "mlpf_hpo"
"""Key of process and pile-up in files that this package writes."""

EVENTS_PER_FILE, FILES_PER_GROUP = 100, 50
"""As published: ``tev14_pythia8_ttbar_3_17.pkl.bz2`` is file 17 of 50 of group 3."""

PROTOCOL = 4
"""Of the pickles written: the newest that all Python versions since the data set's know."""


def read_zenodo(
    file: Path, process: str, pileup: float | None, correct_charge: bool = False, max_bytes: int = MAX_BYTES
) -> Iterator[Event]:
    """Yield the events of a file, numbered from 0, without running anything that its pickle asks for.

    Elements keep their order. Rows of type 0, which pad events to one length, are dropped. A pile-up of None
    is what the file says, which may be nothing. The published targets carry the sign of the PDG code as their
    charge, so that an electron's is +1: `correct_charge` makes it the electric charge. The file may hold
    `max_bytes` when decompressed.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DataError
        If it does not hold such events, or says of itself that they are others; the message names file and
        event.
    """
    content = load_pickle(file, max_bytes)
    lists = _lists(file, content, max_bytes)
    pileup = _origin(file, content, process, pileup)
    for number, arrays in enumerate(zip(*lists, strict=True)):
        try:
            features, targets, candidates = map(_floats, COLUMNS, arrays)
            _check(features, targets, candidates)
        except ValueError as error:
            raise DataError(f"{file}: event {number}: {error!s:.200}") from None
        if correct_charge:
            targets = _with_electric_charge(targets)
        real = features[:, 0] != 0
        if not real.all():
            features, targets, candidates = features[real], targets[real], candidates[real]
        yield Event(features, targets, candidates, number, process, pileup, None, None)


def stored_process(file: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return the process that a file says of itself; an empty string where it says none.

    Raises
    ------
    MissingInputError, DataError
        As `read_zenodo` does.
    """
    content = load_pickle(file, max_bytes)
    _lists(file, content, max_bytes)
    said = content.get(ORIGIN)
    process = said.get("process") if isinstance(said, dict) else ""
    return process if isinstance(process, str) else ""


def write_zenodo(
    store: EventStore, folder: Path, progress: Callable[[int, int], Any] | None = None
) -> list[Path]:
    """Write the events of a store in the published format, 100 a file, and return the files.

    Generator jets and missing momentum have no place in the format; charges stay those of the PDG. `progress`
    is called with (files written, files in all).

    Raises
    ------
    ConfigurationError
        If the store has no candidates, or the folder is not empty.
    StorageError
        If the file system refuses.
    """
    if not store.manifest["has_candidates"]:
        raise ConfigurationError(f"{store.path}: has no candidates, which the format asks for")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder}: not empty; choose a new folder")
    n_files = math.ceil(len(store) / EVENTS_PER_FILE)
    files = []
    for i in range(n_files):
        group, within = divmod(i, FILES_PER_GROUP)
        file = folder / f"tev14_pythia8_{store.manifest['process']}_{group}_{within}{SUFFIX}"
        events = [store[j] for j in range(i * EVENTS_PER_FILE, min((i + 1) * EVENTS_PER_FILE, len(store)))]
        content = {
            "X": [event.features for event in events],
            "ygen": [event.targets for event in events],
            "ycand": [event.candidates for event in events],
            ORIGIN: {name: store.manifest[name] for name in ("process", "pileup")},
        }
        with written_whole(file) as temporary, bz2.open(temporary, "wb") as stream:
            pickle.dump(content, stream, protocol=PROTOCOL)
        files.append(file)
        if progress is not None:
            progress(i + 1, n_files)
    return files


def _origin(file: Path, content: dict[str, Any], process: str, pileup: float | None) -> float | None:
    """Return the pile-up of a file's events: as given, else as the file says; refuse a contradiction."""
    said = content.get(ORIGIN)
    if not isinstance(said, dict):
        return pileup
    for name, given in (("process", process), ("pileup", pileup)):
        if given is not None and said.get(name) not in (None, given):
            raise DataError(
                f"{file}: says of itself {name}: {said[name]!r:.40}, and {given!r} was given; leave --{name} "
                "out, or give what the file says"
            )
    stored = said.get("pileup")
    if pileup is not None or stored is None:
        return pileup
    if not isinstance(stored, int | float) or not 0 <= stored < math.inf:
        raise DataError(f"{file}: says of itself pileup: {stored!r:.40}, which is no number of collisions")
    return float(stored)


def _lists(file: Path, content: Any, max_bytes: int) -> list[list[Any]]:
    """Return the arrays of all events, still unchecked, by name."""
    if not isinstance(content, dict) or not COLUMNS.keys() <= content.keys():
        raise DataError(f"{file}: not events: no dictionary with {', '.join(COLUMNS)}")
    lists = [content[name] for name in COLUMNS]
    lengths = [len(values) if isinstance(values, list | tuple) else type(values).__name__ for values in lists]
    if not isinstance(lengths[0], int) or len(set(lengths)) != 1:
        found = ", ".join(f"{name}: {number}" for name, number in zip(COLUMNS, lengths, strict=True))
        raise DataError(f"{file}: lists of one length expected, one array an event; found {found}")
    if lengths[0] == 0:
        raise DataError(f"{file}: no events")
    # A list may name an array again and again, for a few bytes each.
    arrays = (array for values in lists for array in values if isinstance(array, PickledArray))
    n_bytes = sum(len(array.data) for array in arrays if isinstance(array.data, str | bytes | bytearray))
    if n_bytes > max_bytes:
        raise DataError(f"{file}: its events take {n_bytes} bytes, more than a file may hold ({max_bytes})")
    return lists


def _floats(name: str, array: Any) -> FloatArray:
    """Return an array of a file as float32 [N, columns], all finite."""
    if not isinstance(array, PickledArray):
        raise ValueError(f"{name} is no array but {type(array).__name__}")  # noqa: TRY004 - of the file
    try:
        values = array.to_numpy()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if values.ndim != 2 or values.shape[1] != COLUMNS[name]:
        raise ValueError(f"{name} has shape {values.shape}, not (N, {COLUMNS[name]})")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(floats).all():
        raise ValueError(f"{name} has values that are not finite float32 numbers")
    return floats


def _check(features: FloatArray, targets: FloatArray, candidates: FloatArray) -> None:
    """Refuse arrays that are not those of one event."""
    if not len(features) == len(targets) == len(candidates):
        raise ValueError(f"{len(features)} rows of X, {len(targets)} of ygen, {len(candidates)} of ycand")
    if not np.isin(features[:, 0], (0, TOWER, TRACK)).all():
        raise ValueError("X: an element type that is not 0, 1 or 2")
    for name, rows in (("ygen", targets), ("ycand", candidates)):
        if not np.isin(rows[:, 0], range(N_CLASSES)).all():
            raise ValueError(f"{name}: a class that is not 0 to {N_CLASSES - 1}")


def _with_electric_charge(targets: FloatArray) -> FloatArray:
    """Return targets whose charge, the sign of the PDG code, is made the electric one.

    A lepton's is the opposite; neutral classes have none. Hadrons keep the sign of their code, which is right
    for pions, kaons and protons.
    """
    kind, charge = targets[:, 0], targets[:, 1]
    corrected = np.where(np.isin(kind, (ELECTRON, MUON)), -charge, charge)
    corrected[~np.isin(kind, (CHARGED_HADRON, ELECTRON, MUON))] = 0.0
    return np.column_stack([kind, corrected, targets[:, 2:]])
