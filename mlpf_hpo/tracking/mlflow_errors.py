"""Errors of MLflow classified: no answer, a file system that is full, or a request that is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from urllib3.exceptions import HTTPError

from mlpf_hpo.credentials import public_uri, redacted
from mlpf_hpo.errors import TrackingError
from mlpf_hpo.tracking.storage_errors import storage_refusals

P = ParamSpec("P")
T = TypeVar("T")

TOO_EARLY, TOO_MANY, SERVER_ERROR = 408, 429, 500
"""HTTP statuses: those of them, and all from the last one on, may pass by themselves."""


class UnreachableError(TrackingError):
    """MLflow did not answer: the same may be asked again.

    Attributes
    ----------
    perhaps_refused : bool
        Whether it may also be an answer: a server that breaks over what was asked says no more than that.
    """

    def __init__(self, message: str, perhaps_refused: bool = False) -> None:
        super().__init__(message)
        self.perhaps_refused = perhaps_refused


@contextmanager
def translate_errors(uri: str, what: str = "what was asked") -> Iterator[None]:
    """Turn the errors of a block that talks to MLflow into ours.

    Parameters
    ----------
    uri : str
        Address that the block talks to.
    what : str
        What it asks for, for the message.

    Raises
    ------
    UnreachableError
        If MLflow, or the database behind it, does not answer or is locked.
    StorageError
        If the database file cannot be written.
    TrackingError
        If MLflow refuses.
    """
    try:
        with storage_refusals(uri):
            yield
    except (MlflowException, SQLAlchemyError, HTTPError, OSError) as error:
        raise _meaning(error, uri, what) from None  # what MLflow says may hold a login


def with_read_errors(
    question: Callable[Concatenate[MlflowClient, P], T],
) -> Callable[Concatenate[MlflowClient, P], T]:
    """Let a function that reads through a client raise our errors, as `translate_errors` does."""

    @functools.wraps(question)
    def asked(client: MlflowClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with translate_errors(client.tracking_uri):
            return question(client, *args, **kwargs)

    return asked


def _meaning(error: Exception, uri: str, what: str) -> TrackingError:
    reason = first_line(error)
    if _may_pass(error):
        vague = isinstance(error, MlflowException) and error.get_http_status_code() == SERVER_ERROR
        return UnreachableError(f"MLflow at {public_uri(uri)} does not answer: {reason}", vague)
    return TrackingError(f"MLflow at {public_uri(uri)} refuses {what}: {reason}")


def _may_pass(error: Exception) -> bool:
    """Tell whether the same request may succeed later."""
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        cause = error.__cause__
        lost = isinstance(cause, DBAPIError) and cause.connection_invalidated
        return lost or status in (TOO_EARLY, TOO_MANY) or status >= SERVER_ERROR
    if isinstance(error, DBAPIError):
        return isinstance(error, OperationalError) or error.connection_invalidated
    return isinstance(error, (OSError, HTTPError)) and not isinstance(error, FileNotFoundError)


def first_line(error: Exception) -> str:
    """Return what an error says, in one line that is not too long and holds no login."""
    lines = str(error).strip().splitlines()
    return redacted(lines[0])[:300] if lines else type(error).__name__
