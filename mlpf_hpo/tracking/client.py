"""Connecting to MLflow: the address of the server or database, and a check that it answers."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for every run that ends
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar for every file of a run
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# An MLflow that is away is reported within seconds, or within a minute where it takes requests and answers
# none. No training waits for that, see sender.py.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

import filelock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from mlpf_hpo.errors import MissingInputError, MlpfHpoError, TrackingError
from mlpf_hpo.project import project_folder
from mlpf_hpo.remedies import EVERYTHING_AGAIN
from mlpf_hpo.tracking.login import URI, ask_instead, full_uri, known_as
from mlpf_hpo.tracking.mlflow_errors import first_line, translate_errors
from mlpf_hpo.tracking.relocation import ARTIFACTS, is_writable, relocated
from mlpf_hpo.tracking.storage_errors import (
    SQLITE,
    StoreClient,
    database_file,
    database_uri,
    storage_refusals,
)

DATABASE = "mlflow.db"

RAN = "data/campaign_runs.json"
"""What the campaign leaves once its runs are on record."""

UNAUTHORISED = (401, 403)
REFUSES_LOGIN = ("error code 401", "error code 403", "authentication failed", "access denied", "no password")
"""HTTP statuses and words by which servers and databases refuse a login."""

QUIET = ("mlflow.store.db.utils", "urllib3.connectionpool")


def tracking_uri(explicit: str | None = None) -> str:
    """Return `explicit`, else MLFLOW_TRACKING_URI, else the project's SQLite database by absolute path.

    It may be printed: user and password stay in memory, see `login`.
    """
    return known_as(explicit or os.environ.get(URI) or database_uri(project_folder() / DATABASE))


def is_there(uri: str | None = None) -> bool:
    """Tell whether anything may be on record: a server, or a database file that exists.

    A SQLite database that is not there would be made by asking it.
    """
    uri = tracking_uri(uri)
    return not uri.startswith(SQLITE) or database_file(uri).is_file()


def nothing_yet() -> str:
    """Return the end of a sentence that says that nothing is on record: what to do about it."""
    if (project_folder() / RAN).is_file():
        return f", though the campaign has run: put the record back, or train again with: {EVERYTHING_AGAIN}"
    return " yet: run `make repro` in the project's folder"


def artifact_root(uri: str) -> str | None:
    """Return where new experiments keep files: beside a SQLite database, or as the server says (None)."""
    if not uri.startswith(SQLITE):
        return None
    return (database_file(uri).resolve().parent / ARTIFACTS).as_uri()


def connect(uri: str | None = None, make: bool = True, remedy: str | None = None) -> MlflowClient:
    """Return a client of a store that answers.

    The schema of a new SQLite database is made here, under a lock: several processes that opened a fresh file
    at once would each try to make it. In one that was moved or copied, the locations of files are updated.

    Parameters
    ----------
    uri : str, optional
        See `tracking_uri`.
    make : bool
        Whether a database that is not there is made. False for reading only, which also works
        with one that cannot be written to.
    remedy : str, optional
        What helps where nothing answers, for the message; by default what helps a user of this project.

    Raises
    ------
    MissingInputError
        If the database is not there and not to be made.
    TrackingError
        If the server or database cannot be reached, or a database was moved away from its files.
    StorageError
        If the disk is full, or the database may not be written to.
    """
    uri = tracking_uri(uri)
    if not make and not is_there(uri):
        raise MissingInputError(f"{database_file(uri)}: no runs are tracked here{nothing_yet()}")
    for name in QUIET:  # what they would log is raised as well, and printed in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with storage_refusals(uri), _first_use(uri, make):
            _try_to_connect(full_uri(uri))
            if uri.startswith(SQLITE) and full_uri(uri) == uri:
                ask_instead(uri, database_uri(relocated(database_file(uri))))
            client = StoreClient(tracking_uri=full_uri(uri), registry_uri=full_uri(uri))
            client.search_experiments(max_results=1)
        _artifact_repos_cache.clear()  # by run alone: of a copied store, MLflow would write to the original's
    except (MlflowException, SQLAlchemyError, OSError, ValueError, ImportError) as error:
        raise TrackingError(
            f"MLflow cannot be reached at {uri}: {first_line(error)}; {_remedy(error, remedy)}"
        ) from None
    return client


def connect_to_read(uri: str | None = None) -> MlflowClient:
    """Return a client for reading only: of a store that may be read-only, or of a new one.

    Raises
    ------
    TrackingError, StorageError
        As `connect` does.
    """
    return connect(uri, make=not is_there(uri))


def _remedy(error: Exception, other: str | None) -> str:
    """Return what helps against an error of a first contact, by what the server says."""
    here = "" if other else f", or unset {URI} to track in {DATABASE} here"
    unauthorised = isinstance(error, MlflowException) and error.get_http_status_code() in UNAUTHORISED
    if unauthorised or any(said in str(error).lower() for said in REFUSES_LOGIN):
        return f"check user and password, with which it is asked{here}"
    return other or f"start the server, or correct {URI}{here}"


def as_ours(error: Exception) -> MlpfHpoError:
    """Return what an error of MLflow, or of what it talks through, means to a user."""
    try:
        with translate_errors(tracking_uri()):
            raise error
    except MlpfHpoError as meaning:
        return meaning


def _try_to_connect(uri: str) -> None:
    """Connect to a database server once: MLflow itself would try for minutes."""
    if "://" in uri and not uri.startswith(("http", "file", "sqlite")):
        engine = create_engine(uri)
        try:
            engine.connect().close()
        finally:
            engine.dispose()


def _first_use(uri: str, make: bool) -> AbstractContextManager[object]:
    """Return a lock that the processes of this machine share for a database file.

    A server needs none, and neither does reading a file that cannot be written to.
    """
    if not uri.startswith(SQLITE):
        return nullcontext()
    path = database_file(uri)
    if not make and not is_writable(path):
        return nullcontext()
    return filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=120)
