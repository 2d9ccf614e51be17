"""Reaching MLflow: which server or database, and that it answers."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A dead server must not hold a training up for minutes: few tries, short waits.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

import filelock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from mlpf_hpo.errors import TrackingError

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"


def project_folder() -> Path:
    """Return the folder of the project: where `mlflow.db` lies.

    `dvc exp run --temp` works in a copy below `.dvc/tmp/exps`; its runs belong to the project all the same.
    """
    here = Path.cwd()
    for folder in here.parents:
        if folder.name == ".dvc" and "exps" in here.relative_to(folder).parts:
            return folder.parent
    return here


def tracking_uri(explicit: str | None = None) -> str:
    """Return `explicit`, else MLFLOW_TRACKING_URI, else the project's SQLite database by absolute path."""
    return explicit or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_folder() / DATABASE}"


def is_there(uri: str | None = None) -> bool:
    """Tell whether anything may be on record: a server, or a database file that exists."""
    uri = tracking_uri(uri)
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).is_file()


def artifact_root(uri: str) -> str | None:
    """Return where new experiments keep files: beside a SQLite database, or as the server says (None)."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / ARTIFACTS).as_uri()


def connect(uri: str | None = None) -> MlflowClient:
    """Return a client of a store that answers.

    The schema of a new SQLite database is made here, under a lock: several processes that opened a fresh file
    at once would each try to make it.

    Raises
    ------
    TrackingError
        If the server or database cannot be reached.
    """
    uri = tracking_uri(uri)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # quiet about making tables
    try:
        with _first_use(uri):
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrackingError(
            f"MLflow cannot be reached at {uri}: {reason[:300]}; start the server, or unset "
            "MLFLOW_TRACKING_URI "
            f"to track in {DATABASE} here"
        ) from None
    return client


def _first_use(uri: str) -> AbstractContextManager[object]:
    """Return a lock that the processes of this machine share for a database file; a server needs none."""
    if not uri.startswith("sqlite:///"):
        return nullcontext()
    path = Path(uri.removeprefix("sqlite:///"))
    return filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=120)
