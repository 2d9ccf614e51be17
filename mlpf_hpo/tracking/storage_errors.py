"""Errors of MLflow's storage as `StorageError`: a full disk, a read-only or damaged database."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import StorageError
from mlpf_hpo.files import REFUSALS, storage_error
from mlpf_hpo.remedies import EVERYTHING_AGAIN

SQLITE = "sqlite:///"

MEANINGFUL = "%?"
"""Characters that do not stand for themselves in the address of a database."""

MESSAGES = {
    "database or disk is full": "the disk is full; make room and run it again",
    "attempt to write a readonly database": "it cannot be written to; give this user the right to, or track "
    "elsewhere with MLFLOW_TRACKING_URI",
    "unable to open database file": "it cannot be opened; is its folder there and open to this user?",
    "disk I/O error": "the disk fails, or is full",
    "database disk image is malformed": "it is damaged; put a copy back, or move it away and train "
    f"anew with: {EVERYTHING_AGAIN}",
    "file is not a database": "it is not a SQLite database; move it away",
}
"""Text of SQLite's error -> message for the user."""


def database_uri(file: Path) -> str:
    """Return the address of a SQLite database: characters that mean something in an address are encoded.

    Examples
    --------
    >>> database_uri(Path("/my home/100%/mlflow.db")), database_file("sqlite:////my home/100%25/mlflow.db")
    ('sqlite:////my home/100%25/mlflow.db', PosixPath('/my home/100%/mlflow.db'))
    """
    return SQLITE + "".join(quote(letter) if letter in MEANINGFUL else letter for letter in str(file))


def database_file(uri: str) -> Path:
    """Return the file of a SQLite database, as SQLAlchemy finds it."""
    return Path(unquote(uri.removeprefix(SQLITE)))


@contextmanager
def storage_refusals(uri: str) -> Iterator[None]:
    """Raise what the storage behind `uri` refuses as a `StorageError`; leave other errors as they are."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        message = next((message for text, message in MESSAGES.items() if text in str(error)), None)
        if message is None:
            raise
        raise StorageError(f"{database_file(public_uri(uri))}: {message}") from None
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise storage_error(error, error.filename2 or error.filename) from None


class StoreClient(MlflowClient):
    """MLflow's client, with methods that raise `StorageError` if the storage refuses a request."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            with storage_refusals(self.tracking_uri):
                return found(*args, **kwargs)

        return call
