"""Console output of commands and stages: progress bars, tables, errors without tracebacks."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from mlpf_hpo.collector import collect_rarely
from mlpf_hpo.credentials import redacting

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit statuses, as shells report an end by SIGINT and by SIGPIPE."""


TRACKING = ("mlflow", "requests", "sqlalchemy", "urllib3")
"""Packages whose errors mean that MLflow does not answer or refuses a request; a user can solve them."""


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as text, nothing cut off; numbers stand to the right.

    Examples
    --------
    >>> print(columns(("trial", "loss"), [("t003", "1.5"), ("t012", "12")]))
    trial  loss
    t003    1.5
    t012     12
    """
    table = list(rows)
    out = [list(header), *map(list, table)]
    for column in range(len(header)):
        width = max(len(row[column]) for row in out)
        numbers = bool(table) and all(re.match(r"[-+.\d]", row[column]) for row in table)
        for row in out:
            row[column] = row[column].rjust(width) if numbers else row[column].ljust(width)
    return "\n".join("  ".join(row).rstrip() for row in out)


class ProgressBar:
    """One task of a progress display."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Show how much of `total` is done, and a note, such as the best loss so far."""
        text = note or f"{done:.0f} of {total:.0f} done"
        self._progress.update(self._task, completed=done, total=total, note=text)


@contextmanager
def progress_bar(title: str, total: float | None = None) -> Iterator[ProgressBar]:
    """Show a progress bar with the time left on a terminal; elsewhere stay quiet."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("left,"),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        yield ProgressBar(progress, progress.add_task(title, total=total, note=""))


def warn(problems: Iterable[str]) -> None:
    """Print warnings."""
    for problem in problems:
        err.print(f"warning: {problem}", style="yellow", markup=False)


def run(main: Callable[[], int | None]) -> None:
    """Run a stage or a command and leave the process with its exit status.

    Errors that are a user's to solve are printed without a traceback; an interruption leaves with 130, also
    where a library makes another error of it or writes a traceback of its own: compiled modules do while they
    are imported, pools of connections while they close, threads whose work is taken away.
    Stages import what they need within `main`: it takes seconds, in which they may be interrupted too.
    Whatever is printed goes through `credentials.redacted`.
    """
    collect_rarely()
    with redacting():
        status = _status_of(main)
        sys.stdout.flush()
    sys.exit(status)


def _status_of(main: Callable[[], int | None]) -> int:
    """Run a stage or a command; print its error, if any, and return its exit status."""
    from mlpf_hpo.errors import InterruptedStageError

    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        logging.disable(logging.CRITICAL)
        sys.unraisablehook = lambda _error: None
        threading.excepthook = lambda _error: None
        raise KeyboardInterrupt

    # A request to terminate is treated like Ctrl-C, so that the same clean-up runs.
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored, as in the background
        signal.signal(signal.SIGINT, interrupt)
    try:
        return main() or 0
    except SystemExit:
        raise
    except KeyboardInterrupt:
        return _print_interrupted()
    except BaseException as error:
        by_the_stage = isinstance(error, InterruptedStageError)
        return _print_interrupted() if interrupted and not by_the_stage else _print_error(error)


def _print_interrupted() -> int:
    """Print that a stage was interrupted and return the exit status.

    Imports nothing: a compiled module whose import was interrupted refuses to be imported again.
    """
    # Nothing but the end is left, which another Ctrl-C may hasten.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    err.print("interrupted: nothing of this stage's outputs was written; run it again to go on")
    return INTERRUPTED


def _print_error(error: BaseException) -> int:
    """Print an error and return its exit status; with its traceback if it is a defect of this package."""
    from mlpf_hpo.errors import MlpfHpoError
    from mlpf_hpo.files import REFUSALS

    match error:
        case MlpfHpoError():
            err.print(f"error: {error}", style="bold red", markup=False)
            return error.exit_status
        case BrokenPipeError():
            return BROKEN_PIPE
        case OSError() if error.errno in REFUSALS:
            message = f"error: {error.filename or 'the system'}: {error.strerror}"
            err.print(message, style="bold red", markup=False)
            return 1
        case Exception() if type(error).__module__.partition(".")[0] in TRACKING:
            from mlpf_hpo.tracking.client import as_ours

            return _print_error(as_ours(error))
        case _:
            traceback.print_exception(error)
            return 1
