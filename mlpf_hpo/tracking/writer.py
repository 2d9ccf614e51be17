"""Writing runs: parents, trials, epochs, ends. Only the driver process does.

Explicit run ids and synchronous batches throughout: no global "active run", and what is logged is there, or
in a journal from which it is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

from mlpf_hpo.search.scheduler import Result
from mlpf_hpo.space import Configuration, to_text
from mlpf_hpo.tracking.catch_up import send_left
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.driver_process import driver_tags
from mlpf_hpo.tracking.epoch_metrics import SUMMARY, has_epochs
from mlpf_hpo.tracking.heartbeat import SECONDS, Heartbeats
from mlpf_hpo.tracking.journal import RunState
from mlpf_hpo.tracking.journal_entries import CloseRun, Entry, LogMetrics, opening_of
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.orphaned_runs import abandoned_runs
from mlpf_hpo.tracking.records import trial_name
from mlpf_hpo.tracking.sender import Sender
from mlpf_hpo.tracking.store_writes import NOTE, PARENT, StoreWrites

POINTS_PER_BATCH = 1000
"""So many points MLflow takes at once."""


class RunWriter:
    """Writes to one MLflow store.

    Parameters
    ----------
    sender : Sender, optional
        By which runs of campaigns and searches are put on record in journals: they then need MLflow only now
        and then. Without it, an MLflow that does not answer is an error.
    patience_seconds : float
        How long `settle` waits for an MLflow that is out of reach.
    heartbeats : Heartbeats, optional
        By which this process is known to live, for as long as a parent is open.

    Attributes
    ----------
    epochs_logged : int
        Epochs put on record by this writer, without those that were there before.
    """

    def __init__(
        self,
        client: MlflowClient,
        sender: Sender | None = None,
        patience_seconds: float = 0,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.client = client
        self._sender = sender
        self._patience_seconds = patience_seconds
        self._store = sender.store if sender else StoreWrites(client)
        self._names: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._heartbeats = heartbeats
        self.epochs_logged = 0

    def experiment_id(self, kind: str) -> str:
        """Return the id of the experiment for runs of a kind, made if it is not there."""
        with translate_errors(self._store.uri):
            return self._store.experiment_id(kind)

    def open_parent(
        self,
        kind: str,
        campaign_id: str,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        note: str,
        digest: str | None = None,
        dataset_path: Path | None = None,
        host: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the id of the parent run of a campaign, search or the like, made or opened again.

        Parameters
        ----------
        kind : str
            "campaign", "search", "reference", "predictors" or "benchmark".
        campaign_id : str
            Identity that parent and trials share; a second call with it opens the same run.
        name, tags, params, note
            What the UI shows. Params of a run that exists are left as they are.
        digest, dataset_path : optional
            The data set, as an input of the run.
        host : mapping, optional
            Record of the machine, kept beside those of others that work on the run.
        """
        self.settle()
        identity = {"campaign_id": campaign_id, "kind": kind}
        beating = self._heartbeats.seconds if self._heartbeats else None
        everything = {**tags, **driver_tags(beating), NOTE: note}
        opening = opening_of(
            kind, kind, identity, name, everything, params, digest, dataset_path, _now_ms(), host=host
        )
        run_id = self._sender.open_now(opening) if self._sender else str(self._store.write(opening))
        self._names[run_id] = opening.run
        if self._heartbeats:
            self._heartbeats.begin(self._store.experiment_id(kind), run_id, kind, campaign_id)
        return run_id

    def open_trial(
        self,
        parent_run_id: str,
        kind: str,
        campaign_id: str,
        trial_id: str,
        trial_key: str,
        configuration: Configuration,
        seed: int,
        tags: Mapping[str, str] | None = None,
        digest: str | None = None,
        dataset_path: Path | None = None,
        host: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the run of a trial, made, or opened again if this campaign has trained some of it.

        `host` is the record of the machine that trains it from now on, once that is known.
        While MLflow is out of reach, the run's name within the journal is returned, which the other methods
        take as well; `run_id` returns the id once it is known.
        """
        identity = {"campaign_id": campaign_id, "trial_key": trial_key}
        parent = self._names.get(parent_run_id)
        everything = {**(tags or {}), "kind": "trial", "stage": kind, "trial_id": trial_id}
        if parent is None:
            everything[PARENT] = parent_run_id
        params = {**{key: to_text(value) for key, value in configuration.items()}, "seed": seed}
        name = trial_name(trial_id, configuration)
        opening = opening_of(
            kind, trial_id, identity, name, everything, params, digest, dataset_path, _now_ms(), parent, host
        )
        run = self._send(opening) or opening.run
        self._names[run], self._labels[opening.run] = opening.run, trial_id
        return run

    def run_id(self, run: str) -> str:
        """Return the id of a run that `open_trial` returned, now that MLflow has everything (`settle`)."""
        return self._store.run_id(run)

    def entries_of(self, run_id: str) -> Iterable[Entry]:
        """Return all that the journal has of a run."""
        run = self._names.get(run_id, run_id)
        return self._sender.take_up(run.partition("/")[0]).journal.entries_of(run) if self._sender else ()

    def runs(self, campaign_id: str) -> Mapping[str, RunState]:
        """Return the state of each run of a campaign or search by its journal, by name."""
        return self._sender.take_up(campaign_id).runs if self._sender else {}

    def take_over(self, entries: Iterable[Entry]) -> None:
        """Put on record what another machine's journal had; epochs on record are left as they are."""
        for entry in entries:
            on_record = self._sender.epochs_of(entry.run) if self._sender else 0
            if not isinstance(entry, LogMetrics) or entry.epoch > on_record:
                self._send(entry)

    def results(self, campaign_id: str) -> Iterable[Result]:
        """Return what the schedulers of a campaign or search saw and decided, as far as it is on record."""
        return self._sender.take_up(campaign_id).journal.results() if self._sender else ()

    def log_epoch(
        self,
        run_id: str,
        epoch: int,
        metrics: Mapping[str, float],
        timestamp_ms: int | None = None,
        result: Result | None = None,
    ) -> None:
        """Log all metrics of an epoch at once; epochs on record are left as they are.

        The epoch, from 1, is MLflow's step; it ended at `timestamp_ms`, ms since 1970, by default now. NaN
        and infinities are kept. `result` is what the scheduler saw and decided, where one did.
        """
        run = self._names.get(run_id, run_id)
        if self._sender and result is None and epoch <= self._sender.epochs_of(run):
            return
        moment = timestamp_ms if timestamp_ms is not None else _now_ms()
        values = {name: float(value) for name, value in metrics.items()}
        self.epochs_logged += 1
        self._send(LogMetrics(run, self._label(run), epoch, values, moment, result))

    def close(self, run_id: str, status: str, tags: Mapping[str, str] | None = None) -> None:
        """End a run with one of our statuses (see `MLFLOW_STATUS`)."""
        # A reason of an earlier end may have come back: an entry of that time was sent meanwhile.
        end_tags = {"reason": "", **{name: str(value) for name, value in (tags or {}).items()}}
        if self._heartbeats:
            self._heartbeats.end(run_id)
        run = self._names.get(run_id, run_id)
        self._send(CloseRun(run, self._label(run), status, end_tags, _now_ms()))

    def summary(self, run_id: str, values: Mapping[str, float]) -> None:
        """Log single numbers of a whole run as `summary/...`."""
        named = {f"{SUMMARY}{name}": float(value) for name, value in values.items()}
        run = self._names.get(run_id, run_id)
        self._send(LogMetrics(run, self._label(run), 0, named, _now_ms()))

    def log_series(self, run_id: str, metric: str, points: Iterable[tuple[int, float, int]]) -> None:
        """Log one metric of a run at many steps; steps up to the last one on record are left as they are.

        Points are step, finite value and moment, in ms since 1970, by step.
        """
        last = max((point.step for point in self.client.get_metric_history(run_id, metric)), default=-1)
        left = [Metric(metric, float(value), moment, step) for step, value, moment in points if step > last]
        for start in range(0, len(left), POINTS_PER_BATCH):
            self.client.log_batch(run_id, metrics=left[start : start + POINTS_PER_BATCH])

    def add_to_summary(self, run_id: str, name: str, value: float) -> float:
        """Add to a summary number, for work done in several sittings, and return the new total."""
        self.settle()
        with translate_errors(self._store.uri):
            before = self.client.get_run(run_id).data.metrics.get(f"{SUMMARY}{name}", 0.0)
        total = float(before + value)
        self.summary(run_id, {name: total})
        return total

    def log_files(self, run_id: str, folder: Path, at: str) -> None:
        """Store the files of a folder with a run, below the path `at`."""
        self.client.log_artifacts(run_id, str(folder), at)

    def close_orphans(self, campaign_id: str) -> int:
        """Close as killed the runs that a driver left behind when it died; return how many.

        Empty runs that a server made beside others, because it obeyed a request too late, are deleted.

        Raises
        ------
        BusyError
            If the driver lives, on whatever machine, or may live.
        """
        self.settle()
        replay = self._sender.take_up(campaign_id) if self._sender else None
        with translate_errors(self._store.uri):
            orphans, found = abandoned_runs(self.client, campaign_id)
        for kind, run in orphans:
            key = run.data.tags.get("trial_key")
            if key is not None and not has_epochs(run):
                self._store.remember_doubtful(kind, {"campaign_id": campaign_id, "trial_key": key})
        deleted = self._store.remove_twins()
        left = [(kind, run) for kind, run in orphans if run.info.run_id not in deleted]
        for kind, run in left:
            name = f"{campaign_id}/{run.data.tags.get('trial_key', kind)}"
            on_record = replay.runs.get(name) if replay else None
            if on_record and on_record.open and self._store.run_id(name) == run.info.run_id:
                self._names[run.info.run_id] = name
            self.close(run.info.run_id, "killed", tags={"reason": found})
        return len(left)

    def settle(self) -> None:
        """Wait until MLflow has everything that was written: needed before it is read back.

        Raises
        ------
        TrackingError
            If it stays out of reach, or refused something; the message says what is where.
        """
        if self._sender is not None:
            self._sender.settle(self._patience_seconds)
            self._store.remove_twins()

    def _send(self, entry: Entry) -> str | None:
        if self._heartbeats:
            self._heartbeats.check()
        if self._sender and "/" in entry.run:
            return self._sender.put(entry)
        return self._store.write(entry)

    def _label(self, run: str) -> str:
        return self._labels.get(run, run)


@contextmanager
def durable_writer(
    folder: Path, patience_seconds: float, uri: str | None = None, heartbeat_seconds: float = SECONDS
) -> Iterator[RunWriter]:
    """Yield a writer whose trials get through an MLflow that is out of reach for a while.

    What earlier stages left in the folder of journals is sent first. The end of the block waits for
    `patience_seconds` for an MLflow that is out of reach; when it ends well, MLflow has everything.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached at the start or at the end.
    """
    client = connect(uri)
    send_left(client, folder)
    with (
        Sender(StoreWrites(client), folder) as sender,
        Heartbeats(client, heartbeat_seconds) as heartbeats,
    ):
        writer = RunWriter(client, sender, patience_seconds, heartbeats)
        yield writer
        writer.settle()


def _now_ms() -> int:
    return int(time.time() * 1000)
