"""A journal replayed into an MLflow store, from the position that the store has confirmed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.journal import Confirmed, Journal, RunState
from mlpf_hpo.tracking.journal_entries import Entry, to_json
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.store_writes import StoreWrites

log = logging.getLogger(__name__)


class JournalReplay:
    """A journal that is replayed into a store, and held by this process until `close`.

    Raises
    ------
    BusyError, StorageError
        As `Journal.hold` does.
    DataError
        If a line of the journal is damaged.
    """

    def __init__(self, journal: Journal, store: StoreWrites) -> None:
        self.journal = journal
        self.store = store
        journal.hold()
        self.confirmed = Confirmed(journal, store.uri)
        self.runs = journal.runs()
        self.refusals: list[Exception] = []

    def append(self, entry: Entry) -> int:
        """Put an entry on record and return the position of its end."""
        end = self.journal.append(entry)
        self.runs.setdefault(entry.run, RunState()).update(entry)
        return end

    def catch_up(self, afresh: bool = False) -> int:
        """Send what the store has not confirmed, or everything; return how many entries.

        A store that has lost the runs, or is another one, gets all of them.

        Raises
        ------
        UnreachableError
            If MLflow stops answering.
        TrackingError
            If it refuses something: that is kept beside the journal.
        """
        openings = [state.opening for state in self.runs.values() if state.opening]
        for opening in openings:
            self.store.remember_opening(opening)
        parents = [opening.run for opening in openings if opening.parent is None]
        position = 0 if afresh else self.confirmed.position
        if parents and all("/" in self.store.run_id(run) for run in parents):
            position = 0
        before = position and {
            entry.run for end, entry in self.journal.positions() if end <= position and _is_epoch(entry)
        }
        self.store.remember_sent(before or (), self.journal)
        sent = 0
        for end, entry in self.journal.positions(position):
            try:
                self.store.write(entry, again=True, journal=self.journal)
            except (UnreachableError, StorageError):
                raise
            except TrackingError as error:
                self.set_aside(entry, error)
            self.confirmed.advance(end)
            sent += 1
        self.store.remove_twins()
        self.raise_refusals()
        return sent

    def set_aside(self, entry: Entry, why: Exception) -> None:
        """Keep what MLflow refuses where people find it."""
        self.refusals.append(why)
        self.journal.set_aside({"why": str(why), "entry": to_json(entry)})

    def raise_refusals(self) -> None:
        """Raise what was refused while no writer waited for the answer, once."""
        refusals, self.refusals = self.refusals, []
        raise_refusals(refusals, self.journal)

    def close(self) -> None:
        """Let go of the files."""
        self.journal.close()
        self.confirmed.close()


def raise_refusals(refusals: Sequence[Exception], journal: Journal) -> None:
    """Raise what MLflow refused of a file, if it refused anything.

    Raises
    ------
    TrackingError
        Which says how much there is, where it is kept, and why the first was refused.
    """
    if refusals:
        raise TrackingError(
            f"MLflow refused {len(refusals)} entries, kept in {journal.refused}; the first: {refusals[0]}"
        )


def _is_epoch(entry: Entry) -> bool:
    return getattr(entry, "epoch", 0) > 0
