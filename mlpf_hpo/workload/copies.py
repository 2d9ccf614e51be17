"""Copies of a benchmark: N processes with common barriers; one that dies or hangs does not block the others.

The driver keeps the barrier, not shared memory: a copy reports over a pipe that it waits, and the driver
releases all copies once every *living* copy waits. No lock is lost with a killed process.
A copy reads the end of its standard input when its driver is gone, and exits.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from mlpf_hpo.credentials import without_login
from mlpf_hpo.own_package import PATH_VARIABLE, import_path
from mlpf_hpo.process_start import uninterrupted_start

LOG_FILE = "out.log"
_CHANNEL_VARIABLE = "MLPF_HPO_COPY_CHANNEL"
_GO = b"go\n"
_TICK_SECONDS = 0.2
_DRIVER_GONE = 75
"""Exit status of a copy whose driver went away (EX_TEMPFAIL)."""


@dataclass(frozen=True)
class CopyEnd:
    """How a copy, by its number from 0, ended: why it counts as failed, None if it left with status 0."""

    copy: int
    failure: str | None


@dataclass(frozen=True)
class CopyMessage:
    """A message of a copy, by its number and process: what it passed to `CopyChannel.report`."""

    copy: int
    pid: int
    content: Mapping[str, Any]


class CopyChannel:
    """A copy's side: barriers, and reports to the driver.

    Made once, in the main thread of a process that `run_copies` started.
    """

    def __init__(self) -> None:
        self._out = int(os.environ[_CHANNEL_VARIABLE])
        self._go: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="driver", daemon=True).start()

    def barrier(self) -> None:
        """Wait until every living copy waits."""
        self._send({"barrier": True})
        self._go.get()

    def report(self, **content: Any) -> None:
        """Send a few plain values; a sign of life too."""
        self._send({"report": content})

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message) + "\n"
        try:
            os.write(self._out, line.encode())
        except BrokenPipeError:
            self._leave()

    def _listen(self) -> None:
        while line := os.read(0, len(_GO)):
            self._go.put(line)
        self._leave()

    def _leave(self) -> NoReturn:
        sys.stderr.write("the benchmark's driver is gone\n")
        sys.stderr.flush()
        os._exit(_DRIVER_GONE)


@dataclass
class _Copy:
    """The driver's side of one copy."""

    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    inbox: int
    last_message: float
    buffer: bytes = b""
    waiting: bool = False
    failure: str | None = None
    ended: bool = False
    messages: list[Mapping[str, Any]] = field(default_factory=list)

    def receive(self) -> None:
        """Take in what has arrived."""
        with contextlib.suppress(BlockingIOError):
            while arrived := os.read(self.inbox, 1 << 16):
                self.buffer += arrived
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.last_message = time.monotonic()
            if "barrier" in message:
                self.waiting = True
            else:
                self.messages.append(message["report"])

    def release(self) -> None:
        """Let it go on from a barrier."""
        self.waiting, self.last_message = False, time.monotonic()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it died just now; `poll` reports its status
                self.process.stdin.write(_GO)

    def kill(self, reason: str) -> None:
        """End it."""
        self.failure = reason
        self.process.kill()

    def close(self) -> None:
        """Note how it ended and give its pipes back."""
        status = self.process.wait()
        self.ended = True
        os.close(self.inbox)
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        if status and self.failure is None:
            self.failure = _explain(status, self.folder / LOG_FILE)


def run_copies(
    command: Sequence[str],
    folders: Sequence[Path],
    environments: Sequence[Mapping[str, str]],
    *,
    stall_seconds: float,
    on_message: Callable[[CopyMessage], None] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> list[CopyEnd]:
    """Run one command in every folder at the same time, and return how each ended.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; it makes a `CopyChannel`.
    folders : sequence of path
        Working directory of each copy; its output goes to ``out.log`` there.
    environments : sequence of mapping
        Additions to the environment, one mapping a copy.
    stall_seconds : float
        A copy that sends nothing for so long, other than at a barrier, is killed and counts as failed.
    on_message : callable, optional
        Called in this process with every message of a copy.
    on_tick : callable, optional
        Called several times a second.

    Notes
    -----
    Whatever ends this function, an interruption included, no copy outlives it.
    """
    copies: list[_Copy] = []
    try:
        for i, (folder, environment) in enumerate(zip(folders, environments, strict=True)):
            with uninterrupted_start():
                copies.append(_start(i, command, folder, environment))
        with selectors.DefaultSelector() as selector:
            for copy in copies:
                selector.register(copy.inbox, selectors.EVENT_READ, copy)
            while any(not copy.ended for copy in copies):
                _turn(copies, selector, stall_seconds, on_message)
                if on_tick is not None:
                    on_tick()
    finally:
        for copy in copies:
            if not copy.ended:
                copy.kill("the benchmark was interrupted")
                copy.close()
    return [CopyEnd(copy.number, copy.failure) for copy in copies]


def processors_of_copies(copies: int, threads: int) -> list[list[int] | None]:
    """Return the processors that each copy is to stay on: one a thread, and no two copies on the same.

    A copy that the system moves starts anew with cold caches. None for every copy where there are fewer
    processors than threads, or where a process cannot choose its own: then the system decides.
    """
    if not hasattr(os, "sched_setaffinity"):
        return [None] * copies
    allowed = sorted(os.sched_getaffinity(0))
    if copies * threads > len(allowed):
        return [None] * copies
    return [allowed[i * threads : (i + 1) * threads] for i in range(copies)]


def overlap(windows: Sequence[tuple[float, float]]) -> float:
    """Return the share of the time from the first start to the last end during which all windows were open.

    Examples
    --------
    >>> overlap([(0.0, 10.0), (2.0, 8.0)])
    0.6
    >>> overlap([(0.0, 1.0), (2.0, 3.0)])
    0.0
    """
    whole = max(end for _, end in windows) - min(start for start, _ in windows)
    common = min(end for _, end in windows) - max(start for start, _ in windows)
    return max(common, 0.0) / whole if whole > 0 else 1.0


def _start(number: int, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> _Copy:
    inbox, outbox = os.pipe()
    os.set_blocking(inbox, False)  # a process that the copy left behind may hold its end open
    try:
        with (folder / LOG_FILE).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={
                    **without_login(os.environ),
                    PATH_VARIABLE: import_path(),
                    **environment,
                    _CHANNEL_VARIABLE: str(outbox),
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(outbox,),
                bufsize=0,
            )
    except BaseException:
        os.close(inbox)
        raise
    finally:
        os.close(outbox)
    return _Copy(number, folder, process, inbox, last_message=time.monotonic())


def _turn(
    copies: Sequence[_Copy],
    selector: selectors.BaseSelector,
    stall_seconds: float,
    on_message: Callable[[CopyMessage], None] | None,
) -> None:
    """Read messages, mark dead and stuck copies as failed, open the barrier when all living ones wait."""
    for key, _ in selector.select(_TICK_SECONDS):
        key.data.receive()
    for copy in [copy for copy in copies if not copy.ended]:
        if copy.process.poll() is not None:
            copy.receive()
            selector.unregister(copy.inbox)
            copy.close()
        elif not copy.waiting and time.monotonic() - copy.last_message > stall_seconds:
            copy.kill(f"no sign of life for {stall_seconds:g} s; see {copy.folder / LOG_FILE}")
        while copy.messages:
            message = CopyMessage(copy.number, copy.process.pid, copy.messages.pop(0))
            if on_message is not None:
                on_message(message)
    living = [copy for copy in copies if not copy.ended]
    if living and all(copy.waiting for copy in living):
        for copy in living:
            copy.release()


def _explain(status: int, log: Path) -> str:
    """Return how a copy failed: the signal, or the last line that it wrote."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = "unknown"
        return f"killed by signal {-status} ({name})"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    return f"left with status {status}: {last:.300} (all of it: {log})"
