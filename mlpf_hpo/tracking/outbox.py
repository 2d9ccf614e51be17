"""The outbox: operations go to MLflow at once while it answers, and wait in a spool while it does not.

Every operation is written to the spool first and crossed out when MLflow has confirmed it; one thread sends
them, in order. So a kill at any moment loses none, and nobody who writes waits longer than a moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.delivery import Delivery
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.operations import Operation, summary
from mlpf_hpo.tracking.spool import Spool

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""How long the writer of an operation waits for MLflow; after that nobody waits until it is back."""

RETRY_SECONDS = 2.0
"""How long after a failure the sender tries again."""


@dataclass
class _Ticket:
    """An operation on its way, and what became of it."""

    operation: Operation
    again: bool = False
    attended: bool = False
    done: bool = False
    run_id: str | None = None
    error: Exception | None = None


class Outbox:
    """Sends operations in order, by a thread of its own, for as long as the `with` block lasts.

    Parameters
    ----------
    delivery : Delivery
        Carries them out.
    spool : Spool
        Where they wait; what it holds already is sent first.
    patience_seconds, retry_seconds : float
        See `PATIENCE_SECONDS` and `RETRY_SECONDS`.
    """

    def __init__(
        self,
        delivery: Delivery,
        spool: Spool,
        patience_seconds: float = PATIENCE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.delivery = delivery
        self._spool = spool
        self._patience = patience_seconds
        self._retry = retry_seconds
        self._changed = threading.Condition()
        self._waiting = deque(_Ticket(operation, again=True) for operation in spool.operations())
        self._trouble: Exception | None = None
        self._since = 0.0
        self._refusals: list[Exception] = []
        self._reported = self._stopped = False
        self._thread = threading.Thread(target=self._send, name="mlflow-outbox", daemon=True)

    def put(self, operation: Operation) -> str | None:
        """Send an operation, or leave it to the sender; return the run's id if it opened one by now.

        Raises
        ------
        TrackingError
            If MLflow refuses it at once.
        StorageError
            If spool or database cannot be written.
        """
        with self._changed:
            if isinstance(self._trouble, StorageError):
                raise self._trouble
            ticket = _Ticket(operation, attended=self._trouble is None)
            self._spool.append(operation)
            self._waiting.append(ticket)
            self._changed.notify_all()
            if ticket.attended:
                self._changed.wait_for(lambda: ticket.done or self._trouble is not None, self._patience)
                ticket.attended = False
            if not ticket.done and self._trouble is None:
                self._note(UnreachableError(f"no answer within {self._patience:g} s"))
            elif isinstance(self._trouble, StorageError):
                raise self._trouble
        if ticket.error is not None:
            raise ticket.error
        return ticket.run_id

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
                raise TrackingError(self._told())
            if self._refusals:
                refusals, self._refusals = self._refusals, []
                raise refused(refusals, self._spool)

    def __enter__(self) -> Outbox:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting or self._trouble is not None, self._patience)
            self._stopped = True
            self._changed.notify_all()
            if self._waiting and not self._reported:
                log.warning("%s", self._told())
        self._thread.join(self._patience)  # it may be waiting for an answer; what it sends is in the spool

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                ticket = self._waiting[0]
            try:
                ticket.run_id = self.delivery.perform(ticket.operation, ticket.again)
            except (UnreachableError, StorageError) as error:
                ticket.again = True
                with self._changed:
                    self._note(error)
                    self._changed.wait_for(lambda: self._stopped, self._retry)
                continue
            except Exception as error:
                ticket.error = error
            with self._changed:
                try:
                    self._cross_out(ticket)
                except StorageError as error:  # whoever writes next is told; what was sent may be sent again
                    self._note(error)
                    return

    def _cross_out(self, ticket: _Ticket) -> None:
        if self._stopped:  # the spool may be somebody else's by now: let it be sent once more
            return
        if ticket.error is not None and not ticket.attended:
            defect = None if isinstance(ticket.error, TrackingError) else ticket.error
            log.error("%s; kept in %s", ticket.error, self._spool.refused, exc_info=defect)
            self._refusals.append(ticket.error)
            self._spool.set_aside(ticket.operation, str(ticket.error))
        self._waiting.popleft()
        if not self._waiting:
            self._spool.clear()
            if self._trouble is not None:
                log.warning("MLflow is back and has everything")
            self._trouble = None
        ticket.done = True
        self._changed.notify_all()

    def _note(self, trouble: Exception) -> None:
        """Take note that MLflow is away, and wake who waits for it."""
        if self._trouble is None:
            self._since = time.monotonic()
            log.warning("%s; trials go on, their metrics wait in %s", trouble, self._spool.path)
        self._trouble = trouble
        self._changed.notify_all()

    def _told(self) -> str:
        trouble = self._trouble or UnreachableError("no answer")
        since = f"for {time.monotonic() - self._since:.0f} s" if self._since else "yet"
        return (
            f"MLflow has not answered {since} ({trouble}): "
            f"{summary(ticket.operation for ticket in self._waiting)} wait in {self._spool.path}. Nothing is "
            "lost: when it is back, `mlpf-hpo spool replay` sends them, and so does this stage, run again"
        )


def refused(refusals: Sequence[Exception], spool: Spool) -> TrackingError:
    """Return the error that says what MLflow refused while nobody waited for its answer."""
    n, first = len(refusals), refusals[0]
    return TrackingError(f"MLflow refused {n} operation(s), kept in {spool.refused}; the first: {first}")
