"""Bring MLflow up to date from journals: describe or send unsent entries, rebuild all runs in a store."""

from __future__ import annotations

import fcntl
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from mlpf_hpo.errors import BusyError, DataError, MissingInputError, TrackingError
from mlpf_hpo.files import storage_error
from mlpf_hpo.project import state_folder
from mlpf_hpo.tracking.client import connect, is_there, tracking_uri
from mlpf_hpo.tracking.journal import (
    JOURNALS,
    Confirmed,
    Journal,
    is_result_alone,
    store_address,
    store_addresses,
)
from mlpf_hpo.tracking.journal_entries import Entry, LogMetrics, from_json, summary, to_json
from mlpf_hpo.tracking.journal_replay import JournalReplay, raise_refusals
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.storage_errors import SQLITE, database_file
from mlpf_hpo.tracking.store_writes import StoreWrites

log = logging.getLogger(__name__)

SPOOL = "spool"
"""Folder beside the journals in which earlier versions kept what waited for MLflow."""

SEND = "mlpf-hpo tracking send"


def journal_folder() -> Path:
    """Return the project's folder of journals."""
    return state_folder() / JOURNALS


def unsent(folder: Path) -> dict[tuple[Path, str], list[Entry]]:
    """Return what each file holds for each store that has not confirmed it; nothing is changed."""
    found = {}
    for journal in _journals(folder):
        for address in {*store_addresses(journal)} or {tracking_uri()}:
            confirmed = Confirmed(journal, address)
            left = [] if confirmed.position == journal.size else journal.entries(confirmed.position)
            entries = [entry for entry in left if not is_result_alone(entry)]
            if entries:
                found[journal.path, address] = entries
    return found | {
        (path, store_address(path.parent, content)): _spooled(content)[0] for path, content in _spools(folder)
    }


def describe_unsent(folder: Path) -> Iterator[str]:
    """Yield a line for each file of a folder that holds something: its entries, their store, what to do."""
    try:
        for (path, address), entries in unsent(folder).items():
            yield f"{path}: {summary(entries)} for {address}; send with: {SEND}"
    except DataError as error:
        yield str(error)
    for path in sorted([*folder.glob("*.refused"), *_spool_folder(folder).glob("*.refused")]):
        n = len(path.read_bytes().splitlines())
        yield f"{path}: {n} entries that MLflow refused, with the reason; move the file away when solved"


def send_left(client: MlflowClient, folder: Path, former: str | None = None) -> int:
    """Send what processes that are gone left for this store, or at its former address; return how much.

    What another process writes is left to it.

    Raises
    ------
    TrackingError
        If MLflow stops answering, or refused something: that is kept beside the journal.
    """
    store, sent = StoreWrites(client), 0
    for path, address in unsent(folder):
        if address not in (store.uri, former):
            continue
        n = _send_spool(path, store) if path.parent == _spool_folder(folder) else 0
        if path.parent == folder:
            journal = Journal(path)
            try:
                replay = JournalReplay(journal, store)
            except BusyError:
                continue
            try:
                if address == former != store.uri:
                    replay.confirmed.advance(Confirmed(journal, former).position)
                    Confirmed(journal, former).path.unlink(missing_ok=True)
                n = replay.catch_up()
            finally:
                replay.close()
        if n:
            log.warning("%d entries that waited in %s are now in MLflow", n, path)
        sent += n
    return sent


def send_all(folder: Path) -> Iterator[str]:
    """Send everything that a folder holds, each entry to where it belongs; yield a line for each address.

    No login is kept in a file: that of the address in MLFLOW_TRACKING_URI is used where it leads there. What
    waits for a database that is gone goes to the current one: the project was moved.

    Raises
    ------
    TrackingError
        If an address cannot be reached, refused something, or is the database of another folder.
    """
    current = tracking_uri()  # and takes note of the login
    for address in sorted({address for _, address in unsent(folder)}):
        uri = _destination(address, current, folder)
        yield f"{uri}: {send_left(connect(uri), folder, former=address)} entries sent"


def rebuild(folder: Path, uri: str | None = None) -> Iterator[str]:
    """Make all runs of a folder's journals in a store, which may hold some of them; yield a line for each.

    Raises
    ------
    MissingInputError
        If there is no journal.
    BusyError
        If a process writes one of them.
    TrackingError
        If MLflow cannot be reached, or refused something.
    """
    journals = list(_journals(folder))
    if not journals:
        raise MissingInputError(
            f"{folder}: no journals, from which runs could be made again; name their folder with --journals"
        )
    store = StoreWrites(connect(uri))
    for journal in journals:
        replay = JournalReplay(journal, store)
        try:
            replay.catch_up(afresh=True)
        finally:
            replay.close()
        epochs = Counter(
            is_result_alone(entry) for entry in journal.entries() if isinstance(entry, LogMetrics)
        )
        made = f"{len(replay.runs)} runs are in {store.uri}"
        lost = f"; {epochs[True]} epochs of an earlier version, kept without their metrics, are not"
        yield f"{journal.path}: {made}{lost if epochs[True] else ''}"


def _destination(address: str, current: str, folder: Path) -> str:
    """Return where that goes which waits for an address; a copy of a project never writes to the original."""
    if address == current or not address.startswith(SQLITE):
        return address
    if folder.resolve().is_relative_to(database_file(address).parent):
        return address
    if is_there(address):
        raise TrackingError(
            f"{folder}: what waits there is for {address}, which belongs to another folder than {current}; "
            f"send it there with: MLFLOW_TRACKING_URI={address} {SEND}"
        )
    return current


def _journals(folder: Path) -> Iterator[Journal]:
    return map(Journal, sorted(folder.glob("*.jsonl")))


def _spool_folder(folder: Path) -> Path:
    return folder.parent / SPOOL


def _spools(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files of an earlier version that hold entries, and their content; line 1 names the store."""
    for path in sorted(_spool_folder(folder).glob("*.jsonl")):
        content = path.read_bytes()
        content = content[: content.rfind(b"\n") + 1]
        if content.count(b"\n") > 1:
            yield path, content


def _spooled(content: bytes) -> tuple[list[Entry], list[bytes]]:
    """Return the entries of a file of an earlier version, and the lines that hold none."""
    entries, unreadable = [], []
    for line in content.splitlines()[1:]:
        try:
            entries.append(from_json(json.loads(line)))
        except ValueError:
            unreadable.append(line)
    return entries, unreadable


def _send_spool(path: Path, store: StoreWrites) -> int:
    """Send what an earlier version left in a file, and remove it; return how many entries."""
    refusals, aside = [], Journal(path)
    try:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            entries, unreadable = _spooled(dict(_spools(path.parent.parent / JOURNALS))[path])
            for line in unreadable:
                aside.set_aside({"why": "not an entry", "line": line.decode(errors="replace")})
            for entry in entries:
                try:
                    store.write(entry, again=True)
                except UnreachableError:
                    raise
                except TrackingError as error:
                    refusals.append(error)
                    aside.set_aside({"why": str(error), "entry": to_json(entry)})
            store.remove_twins()
            path.unlink()
    except BlockingIOError:
        return 0
    except OSError as error:
        raise storage_error(error, path) from error
    raise_refusals(refusals, aside)
    return len(entries)
