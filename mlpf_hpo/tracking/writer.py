"""Writing runs: parents, trials, epochs, ends. Only the driver process does.

Explicit run ids and synchronous batches throughout: no global "active run", and what is logged is there, or
in the spool of an outbox.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from mlpf_hpo.space import Configuration, to_text
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.delivery import Delivery
from mlpf_hpo.tracking.driver_process import driver_tags
from mlpf_hpo.tracking.epochs import SUMMARY, has_epochs
from mlpf_hpo.tracking.heartbeat import SECONDS, Heartbeats
from mlpf_hpo.tracking.hosts import log_host
from mlpf_hpo.tracking.mlflow_errors import translate_errors
from mlpf_hpo.tracking.operations import CloseRun, LogMetrics, LogSeries, Operation, opening_of
from mlpf_hpo.tracking.outbox import Outbox
from mlpf_hpo.tracking.records import trial_name
from mlpf_hpo.tracking.replay import replay_left
from mlpf_hpo.tracking.spool import own_spool
from mlpf_hpo.tracking.takeover import abandoned_runs

NOTE, PARENT = "mlflow.note.content", "mlflow.parentRunId"


class RunWriter:
    """Writes to one MLflow store.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    outbox : Outbox, optional
        Through which trials are written: they then need MLflow only now and then. Without it, an MLflow that
        does not answer is an error.
    patience_seconds : float
        How long `settle` waits for an MLflow that is out of reach.
    heartbeats : Heartbeats, optional
        By which this process is known to live, for as long as a parent is open.
    """

    def __init__(
        self,
        client: MlflowClient,
        outbox: Outbox | None = None,
        patience_seconds: float = 0,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.client = client
        self._outbox = outbox
        self._patience_seconds = patience_seconds
        self._delivery = outbox.delivery if outbox else Delivery(client)
        self._labels: dict[str, str] = {}
        self._heartbeats = heartbeats

    def experiment_id(self, kind: str) -> str:
        """Return the id of the experiment for runs of a kind, made if it is not there."""
        with translate_errors(self._delivery.uri):
            return self._delivery.experiment_id(kind)

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
        """Return the parent run of a campaign, search, benchmark or comparison, made or opened again.

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
            Record of the machine, kept beside those of others that work on the run (see `hosts`).

        Returns
        -------
        str
            Run id.
        """
        self.settle()
        identity = {"campaign_id": campaign_id, "kind": kind}
        beating = self._heartbeats.seconds if self._heartbeats else None
        everything = {**tags, **driver_tags(beating), NOTE: note}
        opening = opening_of(kind, kind, identity, name, everything, params, digest, dataset_path, _now_ms())
        run_id = str(self._delivery.perform(opening))
        if self._heartbeats:
            self._heartbeats.begin(self._delivery.experiment_id(kind), run_id, kind, campaign_id)
        if host is not None:
            with translate_errors(self._delivery.uri):
                log_host(self.client, run_id, host)
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
    ) -> str:
        """Return the run of a trial, made, or opened again if this campaign has trained some of it.

        While MLflow is out of reach, a stand-in for the run's id is returned, which the other methods take as
        well; `run_id` tells the id once it is known.
        """
        identity = {"campaign_id": campaign_id, "trial_key": trial_key}
        everything = {
            **(tags or {}),
            "kind": "trial",
            "stage": kind,
            "trial_id": trial_id,
            PARENT: parent_run_id,
        }
        params = {**{key: to_text(value) for key, value in configuration.items()}, "seed": seed}
        name = trial_name(trial_id, configuration)
        opening = opening_of(
            kind, trial_id, identity, name, everything, params, digest, dataset_path, _now_ms()
        )
        run = self._send(opening) or opening.run
        self._labels[run] = trial_id
        return run

    def run_id(self, run: str) -> str:
        """Return the id of a run that `open_trial` returned, now that MLflow has everything (`settle`)."""
        return self._delivery.run_id(run)

    def log_epoch(
        self, run_id: str, epoch: int, metrics: Mapping[str, float], timestamp_ms: int | None = None
    ) -> None:
        """Log all metrics of an epoch at once; epochs on record are left as they are.

        Parameters
        ----------
        run_id : str
            The trial's run.
        epoch : int
            Number of the epoch, from 1; MLflow's step.
        metrics : mapping
            Metric name -> value; NaN and infinities are kept.
        timestamp_ms : int, optional
            When the epoch ended, ms since 1970; now by default.
        """
        moment = timestamp_ms if timestamp_ms is not None else _now_ms()
        values = {name: float(value) for name, value in metrics.items()}
        self._send(LogMetrics(run_id, self._label(run_id), epoch, values, moment))

    def close(self, run_id: str, status: str, tags: Mapping[str, str] | None = None) -> None:
        """End a run with one of our statuses (see `MLFLOW_STATUS`)."""
        # A reason of an earlier end may have come back: a spool of that time was sent meanwhile.
        told = {"reason": "", **{name: str(value) for name, value in (tags or {}).items()}}
        if self._heartbeats:
            self._heartbeats.end(run_id)
        self._send(CloseRun(run_id, self._label(run_id), status, told, _now_ms()))

    def summary(self, run_id: str, values: Mapping[str, float]) -> None:
        """Log single numbers of a whole run as `summary/...`."""
        named = {f"{SUMMARY}{name}": float(value) for name, value in values.items()}
        self._send(LogMetrics(run_id, self._label(run_id), 0, named, _now_ms()))

    def log_series(self, run_id: str, metric: str, points: Iterable[tuple[int, float, int]]) -> None:
        """Log one metric of a run at many steps; steps up to the last one on record are left as they are.

        Parameters
        ----------
        run_id : str
            The run.
        metric : str
            Its name.
        points : iterable of (step, value, moment in ms since 1970)
            By step; values are finite.
        """
        told = [(int(step), float(value), int(moment)) for step, value, moment in points]
        self._send(LogSeries(run_id, self._label(run_id), metric, told))

    def add_to_summary(self, run_id: str, name: str, value: float) -> float:
        """Add to a summary number, for work done in several sittings, and return the new total."""
        self.settle()
        with translate_errors(self._delivery.uri):
            before = self.client.get_run(run_id).data.metrics.get(f"{SUMMARY}{name}", 0.0)
        total = float(before + value)
        self.summary(run_id, {name: total})
        return total

    def keep_files(self, run_id: str, folder: Path, at: str) -> None:
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
        with translate_errors(self._delivery.uri):
            orphans, found = abandoned_runs(self.client, campaign_id)
        for kind, run in orphans:
            key = run.data.tags.get("trial_key")
            if key is not None and not has_epochs(run):
                self._delivery.doubt(kind, {"campaign_id": campaign_id, "trial_key": key})
        deleted = self._delivery.remove_twins()
        left = [run.info.run_id for _, run in orphans if run.info.run_id not in deleted]
        for run_id in left:
            self.close(run_id, "killed", tags={"reason": found})
        return len(left)

    def settle(self) -> None:
        """Wait until MLflow has everything that was written; whoever reads it back needs that.

        Raises
        ------
        TrackingError
            If it stays out of reach, or refused something; the message says what is where.
        """
        if self._outbox is not None:
            self._outbox.settle(self._patience_seconds)
            self._delivery.remove_twins()

    def _send(self, operation: Operation) -> str | None:
        if self._heartbeats:
            self._heartbeats.check()
        return self._outbox.put(operation) if self._outbox else self._delivery.perform(operation)

    def _label(self, run: str) -> str:
        return self._labels.get(run, run)


@contextmanager
def durable_writer(
    folder: Path, patience_seconds: float, uri: str | None = None, heartbeat_seconds: float = SECONDS
) -> Iterator[RunWriter]:
    """Yield a writer whose trials get through an MLflow that is out of reach for a while.

    What earlier stages left in spools is sent first; when the block ends well, MLflow has everything.

    Parameters
    ----------
    folder : path
        Folder of spools.
    patience_seconds : float
        How long the end of the block waits for an MLflow that is out of reach.
    uri : str, optional
        Whom to write to, see `tracking_uri`.
    heartbeat_seconds : float
        How often the heartbeat of an open parent is renewed.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached at the start or at the end.
    """
    client = connect(uri)
    replay_left(client, folder)
    delivery = Delivery(client)
    with (
        own_spool(folder, delivery.uri) as spool,
        Outbox(delivery, spool) as outbox,
        Heartbeats(client, heartbeat_seconds) as heartbeats,
    ):
        writer = RunWriter(client, outbox, patience_seconds, heartbeats)
        yield writer
        writer.settle()


def _now_ms() -> int:
    return int(time.time() * 1000)
