"""Errors that a user can act on.

Every error names what was wrong, where, and what to do. The command line prints the message of an
`MlpfHpoError` without a traceback and leaves with a non-zero status; any other exception is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from mlpf_hpo.credentials import redacted

T = TypeVar("T")


class MlpfHpoError(Exception):
    """Base of all errors that are a user's to solve."""

    exit_status = 1


class ConfigurationError(MlpfHpoError):
    """A key or value in params.yaml, or on the command line, cannot be used."""


class MissingInputError(MlpfHpoError):
    """A file, folder or run that a stage needs is not there; the message says which stage makes it."""


class DataError(MlpfHpoError):
    """A table, store or checkpoint is there but its content cannot be used."""


class StorageError(DataError):
    """The file system refuses to take a file: no space, no permission; the message names the file."""


class TrackingError(MlpfHpoError):
    """MLflow cannot be reached, or does not hold what it should."""


class StartError(MlpfHpoError):
    """Ray did not start on this machine, or not in time; the message says what is known of the cause."""


class BusyError(MlpfHpoError):
    """Another process is at the same work; the message says which."""


class BudgetError(MlpfHpoError):
    """A paid device's time would exceed its budget; what it has answered so far is kept."""


class InterruptedStageError(MlpfHpoError):
    """A stage was interrupted before all of its work was done; its outputs were not written."""

    exit_status = 130


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` for the nearest known word, or an empty string.

    Examples
    --------
    >>> did_you_mean("epoch", ["epochs", "trials"])
    ' (did you mean epochs?)'
    >>> did_you_mean("zzz", ["epochs"])
    ''
    """
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def look_up(known: Mapping[str, T], name: str, parameter: str, what: str) -> T:
    """Return what a name stands for, given as a parameter.

    Raises
    ------
    ConfigurationError
        If there is no such name.
    """
    if name not in known:
        raise ConfigurationError(
            f"{parameter} = {name!r}: no such {what}{did_you_mean(name, known)}; known: {', '.join(known)}"
        )
    return known[name]


def one_line(error: BaseException) -> str:
    r"""Return the kind of an error and its first line, without logins, to stand as a reason on record.

    Examples
    --------
    >>> one_line(ValueError("no luck with\nthis one"))
    'ValueError: no luck with'
    """
    lines = str(error).strip().splitlines() or [""]
    return redacted(f"{type(error).__name__}: {lines[0]}")[:500]
