"""Idempotent writes of journal entries to MLflow: what is on record stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.entities.lifecycle_stage import LifecycleStage
from mlflow.exceptions import MlflowException

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.tracking.client import artifact_root, tracking_uri
from mlpf_hpo.tracking.duplicate_runs import by_preference
from mlpf_hpo.tracking.epoch_metrics import has_epochs, last_epoch
from mlpf_hpo.tracking.history_keeper import HistoryKeeper
from mlpf_hpo.tracking.host_records import LABEL, host_file, host_note, joined_tags, log_host
from mlpf_hpo.tracking.journal import Journal, is_result_alone
from mlpf_hpo.tracking.journal_entries import STATUS, CloseRun, Entry, LogMetrics, OpenRun
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, translate_errors

NAME, NOTE, PARENT = "mlflow.runName", "mlflow.note.content", "mlflow.parentRunId"

MLFLOW_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "killed": "KILLED",
}
"""Our status -> MLflow's; ours is in the tag `STATUS`."""

ENDING = ("reason", "stop", "worker_deaths")
"""Tags with the reason of a run's end; they are emptied when it goes on."""

BREAKS = 5
"""An entry over which a server that answers other requests breaks so often is taken for refused."""


def experiment_name(kind: str) -> str:
    """Return the experiment that holds runs of a kind."""
    return f"mlpf/{kind}"


class StoreWrites:
    """Writes entries through a client; each may have been written before, in full or in part."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.uri = tracking_uri(client.tracking_uri)
        self._histories = HistoryKeeper(client)
        self._experiments: dict[str, str] = {}
        self._run_ids: dict[str, str] = {}
        self._openings: dict[str, OpenRun] = {}
        self._hosts: set[tuple[str, str]] = set()
        self._sent_epochs: dict[str, Journal] = {}
        self._last_epoch: dict[str, int] = {}
        self._doubtful: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._broken: tuple[Entry | None, int] = (None, 0)

    def experiment_id(self, kind: str) -> str:
        """Return the id of the experiment for runs of a kind, made if it is not there."""
        if kind not in self._experiments:
            name = experiment_name(kind)
            found = self.client.get_experiment_by_name(name)
            if found and found.lifecycle_stage != LifecycleStage.ACTIVE:
                raise TrackingError(
                    f"the experiment {name} was deleted in MLflow; bring it back with: mlflow experiments "
                    f"restore --experiment-id {found.experiment_id}"
                )
            self._experiments[kind] = found.experiment_id if found else self._create_experiment(name)
        return self._experiments[kind]

    def remember_opening(self, opening: OpenRun) -> None:
        """Take note of a run that an earlier process opened: later entries name it."""
        self._openings[opening.run] = opening

    def run_id(self, run: str) -> str:
        """Return the id of a run by its name within journals; the name where the store holds no such run."""
        opening = self._openings.get(run)
        if run not in self._run_ids and opening is not None:
            with translate_errors(self.uri):
                for found in self._all(opening.kind, opening.identity)[:1]:
                    self._run_ids[run] = str(found.info.run_id)
        return self._run_ids.get(run, run)

    def write(self, entry: Entry, again: bool = False, journal: Journal | None = None) -> str | None:
        """Write an entry and return the run's id if it opened one.

        Parameters
        ----------
        entry : Entry
            What to write.
        again : bool
            Whether it may have been written before: what happened to its run since then stays. `remove_twins`
            looks after runs opened so.
        journal : Journal, optional
            The journal that holds it. A run that is gone from the store gets its earlier epochs from there.

        Raises
        ------
        UnreachableError
            If MLflow does not answer; it may have written the entry all the same.
        StorageError
            If the database file cannot be written.
        TrackingError
            If MLflow refuses: the same would be refused again.
        """
        if is_result_alone(entry):
            return None
        if again and isinstance(entry, OpenRun):
            self.remember_doubtful(entry.kind, entry.identity)
        try:
            with translate_errors(self.uri, entry.describe()):
                run_id = self._write(entry, again)
        except UnreachableError as error:
            if isinstance(entry, OpenRun):
                self.remember_doubtful(entry.kind, entry.identity)
            if error.perhaps_refused and self._breaks_over(entry):
                raise TrackingError(f"{entry.describe()}: the server breaks over it: {error}") from error
            raise
        if journal is not None and isinstance(entry, LogMetrics):
            self._sent_epochs[entry.run] = journal
        return run_id

    def remember_sent(self, runs: Iterable[str], journal: Journal) -> None:
        """Take note of runs that have epochs among what the store has confirmed of a journal."""
        self._sent_epochs.update(dict.fromkeys(runs, journal))

    def is_reachable(self) -> bool:
        """Tell whether MLflow answers at all."""
        try:
            with translate_errors(self.uri):
                self.client.search_experiments(max_results=1)
        except (TrackingError, StorageError):
            return False
        return True

    def remember_doubtful(self, kind: str, identity: Mapping[str, str]) -> None:
        """Remember a run that may have been made twice: a request without an answer can still be obeyed."""
        self._doubtful["/".join(identity.values())] = (kind, identity)

    def remove_twins(self) -> set[str]:
        """Delete the empty twins of doubtful runs and return their ids."""
        deleted = set()
        with translate_errors(self.uri):
            while self._doubtful:
                name, (kind, identity) = next(iter(self._doubtful.items()))
                for run in self._all(kind, identity)[1:]:
                    if run.info.status == "RUNNING" and not has_epochs(run):
                        self.client.delete_run(run.info.run_id)
                        deleted.add(str(run.info.run_id))
                del self._doubtful[name]
        return deleted

    def _write(self, entry: Entry, again: bool) -> str | None:
        if isinstance(entry, OpenRun):
            self._openings[entry.run] = entry
            run_id = self._run_ids[entry.run] = self._open(entry, again)
            return run_id
        run_id = self.run_id(entry.run)
        if "/" in run_id:
            raise TrackingError(f"{entry.describe()}: its run could not be opened")
        if isinstance(entry, LogMetrics):
            self._log(run_id, entry)
        else:
            self._close(run_id, entry, again)
        return None

    def _open(self, entry: OpenRun, again: bool) -> str:
        found = next(iter(self._all(entry.kind, entry.identity)), None)
        tags = {**self._tags_of_parent(entry), **entry.tags}
        if found is None:
            run = self.client.create_run(
                self.experiment_id(entry.kind),
                start_time=entry.moment_ms,
                tags={**tags, NAME: entry.name},
                run_name=entry.name,
            )
            known: set[str] = set()
            run_id, tags = str(run.info.run_id), {}
            self._last_epoch[run_id] = 0
        else:
            run_id, known = str(found.info.run_id), set(found.data.params)
            if again and (found.info.end_time or 0) >= entry.moment_ms:
                tags = {}  # it has ended since then
            else:
                tags = _tags_again(tags, found)
                self.client.update_run(run_id, status="RUNNING")
        # Here and not only with a new run: a kill may have come between making it and this.
        params = [Param(key, value) for key, value in entry.params.items() if key not in known]
        self.client.log_batch(run_id, params=params, tags=[RunTag(*tag) for tag in tags.items()])
        if entry.digest is not None and not (found and found.inputs.dataset_inputs):
            self.client.log_inputs(run_id, datasets=[dataset_input(entry.digest, entry.source)])
        if entry.host is not None:
            self._log_host(run_id if entry.parent is None else self.run_id(entry.parent), entry.host)
        if found is None and entry.run in self._sent_epochs:
            for earlier in self._sent_epochs[entry.run].entries():
                if isinstance(earlier, LogMetrics) and earlier.run == entry.run:
                    self._log(run_id, earlier)
        return run_id

    def _tags_of_parent(self, entry: OpenRun) -> dict[str, str]:
        """Return the tags by which a trial's run leads to its parent, and to the machine that works on it."""
        if entry.parent is None:
            return {}
        parent_id = self.run_id(entry.parent)
        if "/" in parent_id:
            raise TrackingError(f"{entry.describe()}: its parent run could not be opened")
        tags = {PARENT: parent_id}
        parent, host = self._openings.get(entry.parent), entry.host
        if host is None and parent is not None and LABEL in entry.tags:
            host = parent.host  # by a version whose trials all had their driver's machine
        if host is not None:
            tags[NOTE] = host_note(self.experiment_id(entry.kind), parent_id, host)
        return tags

    def _log_host(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Store the record of a machine with a parent run, once."""
        known = run_id, host_file(record)
        if known not in self._hosts:
            log_host(self.client, run_id, record)
            self._hosts.add(known)

    def _log(self, run_id: str, entry: LogMetrics) -> None:
        epoch = entry.epoch
        if epoch and epoch <= self._epochs_on_record(run_id):
            return
        points = [Metric(name, float(value), entry.moment_ms, epoch) for name, value in entry.metrics.items()]
        self.client.log_batch(run_id, metrics=points)
        self._histories.add(run_id, entry)
        if epoch:
            self._last_epoch[run_id] = epoch

    def _close(self, run_id: str, entry: CloseRun, again: bool) -> None:
        if again and (self.client.get_run(run_id).info.end_time or 0) > entry.moment_ms:
            return  # it went on, and ended later
        tags = {**self._histories.keep(run_id), **entry.tags, STATUS: entry.status}
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        status = MLFLOW_STATUS[entry.status]
        self.client.set_terminated(run_id, status=status, end_time=entry.moment_ms)

    def _epochs_on_record(self, run_id: str) -> int:
        if run_id not in self._last_epoch:
            self._last_epoch[run_id] = last_epoch(self.client.get_run(run_id))
        return self._last_epoch[run_id]

    def _all(self, kind: str, identity: Mapping[str, str]) -> list[Run]:
        """Return the runs with these tags, first the one that counts."""
        condition = " and ".join(f"tags.{tag} = '{value}'" for tag, value in identity.items())
        found = self.client.search_runs([self.experiment_id(kind)], condition, max_results=100)
        return by_preference(found)

    def _breaks_over(self, entry: Entry) -> bool:
        """Tell whether a server that answers others fails over this; while it is away, nothing counts."""
        if not self.is_reachable():
            self._broken = (None, 0)
            return False
        last, times = self._broken
        self._broken = (entry, times + 1 if last is entry else 1)
        return self._broken[1] >= BREAKS

    def _create_experiment(self, name: str) -> str:
        root = artifact_root(self.uri)
        location = f"{root}/{name}" if root else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = self.client.get_experiment_by_name(name)  # another process may have been first
            if found is None:
                raise
            return str(found.experiment_id)


def _tags_again(tags: Mapping[str, str], found: Run) -> dict[str, str]:
    """Return the tags of a run that is opened again, on another machine perhaps: without its earlier end."""
    tags = {**{name: "" for name in ENDING if name in found.data.tags}, **tags}
    return joined_tags(found.data.tags, tags) if has_epochs(found) else tags


def dataset_input(
    digest: str, source: str | Path | None, name: str = "events", context: str = "training"
) -> Any:
    """Return a data set as MLflow records it: name, digest, and a plain path as its source."""
    source_json = json.dumps({"uri": str(source) if source else ""})
    dataset = Dataset(name=name, digest=digest[:36], source_type="local", source=source_json)
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", context)])
