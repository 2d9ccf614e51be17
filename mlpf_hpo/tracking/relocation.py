"""Relocation of MLflow's files: the database of a project that was moved or copied is rewritten.

MLflow records where the files of runs and models lie by absolute path, in its database. The project's own
store is a SQLite database with the folder `mlartifacts` beside it: where the record names another place than
that, the database was moved or copied, and what it records is rewritten before it is used.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlpf_hpo.errors import TrackingError

ARTIFACTS = "mlartifacts"
"""Folder of files beside a SQLite database."""

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns in which MLflow keeps places, as URIs or as paths."""

FILES = LOCATIONS[1:3]
"""Columns that name the folder of a run's or of a model's files."""

log = logging.getLogger(__name__)


_stand_ins: list[tempfile.TemporaryDirectory[str]] = []
"""Folders that last as long as this process."""


def relocated(database: Path) -> Path:
    """Return a database that says where files are now: rewritten, with a warning, if it was moved or copied.

    One that cannot be written to stays as it is, and the answer is a rewritten copy, for reading only.
    To be called by one process at a time.

    Raises
    ------
    TrackingError
        If files lie where the database was and not beside where it is; the message names both places.
    """
    if not database.is_file():
        return database
    here = database.resolve().parent
    with closing(sqlite3.connect(database)) as connection:
        roots = sorted(_foreign_roots(connection, here, database.name))
        for old in roots:
            _check_files(connection, old, here, database)
    if not roots:
        return database
    target = database if is_writable(database) else _stand_in(database)
    with closing(sqlite3.connect(target)) as connection, connection:
        for old in roots:
            _rewrite(connection, old, here)
    came_from = ", ".join(map(str, roots))
    log.warning(
        "%s came from %s: its files are now those in %s", here / database.name, came_from, here / ARTIFACTS
    )
    return target


def _stand_in(database: Path) -> Path:
    _stand_ins.append(tempfile.TemporaryDirectory(prefix="mlpf-hpo-"))
    return Path(shutil.copy(database, _stand_ins[-1].name))


def is_writable(database: Path) -> bool:
    """Tell whether a database can be changed: SQLite writes into its folder as well."""
    return os.access(database, os.W_OK) and os.access(database.resolve().parent, os.W_OK)


def _foreign_roots(connection: sqlite3.Connection, here: Path, name: str) -> set[Path]:
    """Return the other folders that experiments keep files in the way a store does that lies there."""
    roots = set()
    try:
        found = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    except sqlite3.DatabaseError:  # no tables yet, or no database: the client says it better
        return set()
    for experiment, location in found:
        root, marker, rest = str(location).rpartition(f"/{ARTIFACTS}/{experiment}")
        if marker and not rest and _is_local(root):
            roots.add(_path(root))
    return {root for root in roots - {here} if not _is_same(root / name, here / name)}


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, as links and mounts make them."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _check_files(connection: sqlite3.Connection, old: Path, here: Path, database: Path) -> None:
    """Refuse to go on without files that are only where the database was."""
    places = [path.relative_to(old) for path in _folders(connection) if path.is_relative_to(old)]
    left = sum((old / place).exists() and not (here / place).exists() for place in places)
    if not left and (not places or (here / ARTIFACTS).is_dir() or not _has_models(connection)):
        return
    there, own = old / ARTIFACTS, here / ARTIFACTS
    if left:
        remedy = f"copy them with: mkdir -p '{own}' && cp -rn '{there}/.' '{own}'"
    else:
        remedy = "there are none at either place: put that folder back"
    raise TrackingError(
        f"{database.resolve()}: the files of its runs and models lay in {there}, and those in {own} are not "
        f"complete; {remedy}; or begin a new record: move {database.name} away"
    )


def _folders(connection: sqlite3.Connection) -> Iterator[Path]:
    for table, column in FILES:
        for (location,) in connection.execute(f"SELECT {column} FROM {table}"):  # noqa: S608 - constants
            if location and _is_local(location):
                yield _path(location)


def _has_models(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM model_versions").fetchone()[0] > 0


def _rewrite(connection: sqlite3.Connection, old: Path, here: Path) -> None:
    """Put one folder in the place of another in all locations, and in the sources of data sets."""
    forms = [(f"{old}/", f"{here}/"), (f"{old.as_uri()}/", f"{here.as_uri()}/")]
    sources = [(json.dumps({"uri": before})[:-2], json.dumps({"uri": now})[:-2]) for before, now in forms]
    changes = [(*place, pair) for place in LOCATIONS for pair in forms]
    changes += [("datasets", "dataset_source", pair) for pair in sources]
    for table, column, (before, now) in changes:
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608
            (now, len(before) + 1, len(before), before),
        )


def _is_local(location: str) -> bool:
    return location.startswith(("/", "file:///"))


def _path(location: str) -> Path:
    """Return the path that a URI or a path means."""
    return Path(unquote(urlsplit(location).path) if location.startswith("file:") else location)
