"""A thread that sends journal entries to MLflow while trials go on.

Every entry is in its journal before it is sent, and confirmed when MLflow has taken it; one thread sends all,
in order. So a kill at any moment loses none, and no writer waits longer than a moment. The writer of metrics
does not wait while few entries are on their way; what MLflow refuses of them is raised at the next entry.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.journal_entries import Entry, LogMetrics, OpenRun, summary
from mlpf_hpo.tracking.journal_replay import JournalReplay
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.store_writes import StoreWrites

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""How long the writer of an entry waits for MLflow; after that no writer waits until it is back."""

AHEAD = 8
"""So many entries may be on their way before the writer of metrics waits: a trial waits for its driver, which
would wait for the disk that MLflow keeps its database on."""

RETRY_SECONDS = 2.0
"""How long after a failure the sender tries again."""


@dataclass
class _Ticket:
    """An entry on its way, and what became of it."""

    entry: Entry
    replay: JournalReplay
    end: int
    again: bool = False
    attended: bool = False  # its writer waits, and raises what MLflow answers
    ahead: bool = False  # its writer has gone on; the next one raises it
    done: bool = False
    run_id: str | None = None
    error: Exception | None = None


@dataclass
class Sender:
    """Sends entries to a store in order, by a thread of its own, for as long as the `with` block lasts.

    The journals are in `folder`; for the seconds see `PATIENCE_SECONDS` and `RETRY_SECONDS`.
    """

    store: StoreWrites
    folder: Path
    patience_seconds: float = PATIENCE_SECONDS
    retry_seconds: float = RETRY_SECONDS
    _replays: dict[str, JournalReplay] = field(default_factory=dict)
    _waiting: deque[_Ticket] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _trouble: Exception | None = None
    _refused: Exception | None = None  # of metrics; raised at the next entry
    _since: float = 0.0
    _reported: bool = False
    _stopped: bool = False

    def take_up(self, campaign_id: str) -> JournalReplay:
        """Return the journal of a campaign, of which the store has everything now.

        Raises
        ------
        BusyError, StorageError, TrackingError, DataError
            As `JournalReplay` and its `catch_up` do.
        """
        replay = self._replays.get(campaign_id)
        if replay is not None and replay.journal.path.exists():
            return replay
        if replay is not None:
            replay.close()
        journal = Journal(self.folder / f"{campaign_id}.jsonl")
        replay = self._replays[campaign_id] = JournalReplay(journal, self.store)
        sent = replay.catch_up()
        if sent:
            log.warning("%d entries of %s are now in MLflow", sent, journal.path)
        return replay

    def epochs_of(self, run: str) -> int:
        """Return the last epoch of a run that is on record."""
        state = self.take_up(run.partition("/")[0]).runs.get(run)
        return state.epochs if state else 0

    def put(self, entry: Entry) -> str | None:
        """Put an entry on record and send it, or leave that to the thread; return the run's id if opened.

        Raises
        ------
        TrackingError
            If MLflow refuses it at once, or has refused metrics before it.
        StorageError
            If journal or database cannot be written.
        """
        replay = self.take_up(entry.run.partition("/")[0])
        with self._changed:
            if isinstance(self._trouble, StorageError):
                raise self._trouble
            if self._refused is not None:
                refused, self._refused = self._refused, None
                raise refused
            ticket = _Ticket(entry, replay, replay.append(entry))
            self._waiting.append(ticket)
            self._changed.notify_all()
            if self._trouble is None:
                ahead = AHEAD if isinstance(entry, LogMetrics) else 0
                ticket.ahead, ticket.attended = ahead > 0, ahead == 0
                in_time = self._changed.wait_for(
                    lambda: ticket.done or len(self._waiting) <= ahead or self._trouble is not None,
                    self.patience_seconds,
                )
                ticket.attended = False
                if not in_time:
                    self._note(UnreachableError(f"no answer within {self.patience_seconds:g} s"))
            if isinstance(self._trouble, StorageError):
                raise self._trouble
        if ticket.error is not None and not ticket.ahead:
            raise ticket.error
        return ticket.run_id

    def open_now(self, opening: OpenRun) -> str:
        """Open a run in the store, put that on record, and return the run's id; to be called when settled.

        Raises
        ------
        TrackingError, StorageError
            If MLflow does not answer, or refuses; then nothing is on record.
        """
        replay = self.take_up(opening.run.partition("/")[0])
        run_id = str(self.store.write(opening, journal=replay.journal))
        replay.confirmed.advance(replay.append(opening))
        return run_id

    def settle(self, seconds: float) -> None:
        """Wait until MLflow has everything.

        Raises
        ------
        TrackingError
            If it does not answer for so long, or refused something; the message says what is where.
        """
        with self._changed:
            if self._trouble is not None:
                log.warning("waiting up to %.0f s for MLflow to come back", seconds)
            self._changed.wait_for(
                lambda: not self._waiting or isinstance(self._trouble, StorageError), timeout=seconds
            )
            if isinstance(self._trouble, StorageError):
                raise self._trouble
            if self._waiting:
                self._reported = True
                raise TrackingError(self._report())
        self._refused = None
        for replay in self._replays.values():
            replay.raise_refusals()

    def __enter__(self) -> Sender:
        self._thread = threading.Thread(target=self._send, name="mlflow-sender", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: not self._waiting or self._trouble is not None, self.patience_seconds
            )
            self._stopped = True
            if self._waiting and not self._reported:
                log.warning("%s", self._report())
            self._changed.notify_all()
        # It may be waiting for an answer; what it sends is in the journal.
        self._thread.join(self.patience_seconds)
        for replay in self._replays.values():
            replay.close()

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                ticket = self._waiting[0]
            try:
                journal = ticket.replay.journal
                ticket.run_id = self.store.write(ticket.entry, ticket.again, journal)
            except (UnreachableError, StorageError) as error:
                ticket.again = True
                with self._changed:
                    self._note(error)
                    self._changed.wait_for(lambda: self._stopped, self.retry_seconds)
                continue
            except Exception as error:
                ticket.error = error
            with self._changed:
                try:
                    self._confirm(ticket)
                except StorageError as error:  # raised at the next write; the entry may be sent again
                    self._note(error)
                    return

    def _confirm(self, ticket: _Ticket) -> None:
        if self._stopped:  # the journal may be another process's by now: let it be sent once more
            return
        if ticket.error is not None and not ticket.attended:
            defect = None if isinstance(ticket.error, TrackingError) else ticket.error
            log.error("%s; kept in %s", ticket.error, ticket.replay.journal.refused, exc_info=defect)
            self._refused = self._refused or (ticket.error if ticket.ahead else None)
            ticket.replay.set_aside(ticket.entry, ticket.error)
        ticket.replay.confirmed.advance(ticket.end)
        self._waiting.popleft()
        if not self._waiting:
            if self._trouble is not None:
                log.warning("MLflow is back and has everything")
            self._trouble = None
        ticket.done = True
        self._changed.notify_all()

    def _note(self, trouble: Exception) -> None:
        """Take note that MLflow is away, and wake the threads that wait for it."""
        if self._trouble is None:
            self._since = time.monotonic()
            log.warning("%s; trials go on, their metrics wait in %s", trouble, self.folder)
        self._trouble = trouble
        self._changed.notify_all()

    def _report(self) -> str:
        trouble = self._trouble or UnreachableError("no answer")
        since = f"for {time.monotonic() - self._since:.0f} s" if self._since else "yet"
        where = ", ".join(sorted({str(ticket.replay.journal.path) for ticket in self._waiting}))
        return (
            f"MLflow has not answered {since} ({trouble}): "
            f"{summary(ticket.entry for ticket in self._waiting)} wait in {where}. Nothing is "
            "lost: when it is back, `mlpf-hpo tracking send` sends them, and so does this stage, run again"
        )
