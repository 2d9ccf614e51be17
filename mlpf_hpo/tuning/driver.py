"""The driver of trainings: the one process that trains in a state folder, and records runs in MLflow."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlpf_hpo.errors import BusyError, InterruptedStageError, StorageError, one_line
from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.search.scheduler import Result
from mlpf_hpo.search.trial_state import Trial, TrialState
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import Configuration
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.host_records import hosts_tag
from mlpf_hpo.tracking.journal import JOURNALS
from mlpf_hpo.tracking.trial_archive import TrialArchive
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from mlpf_hpo.tuning.machine import Machine
from mlpf_hpo.tuning.ray_folder import remove_sessions
from mlpf_hpo.tuning.task import Task, TrialSpec

log = logging.getLogger(__name__)

LOCK = "driver.lock"


@contextmanager
def sole_driver(state: Path, patience_seconds: float) -> Iterator[RunWriter]:
    """Hold the right to train in a state folder, and yield the writer of runs, with its journals in there.

    Two drivers would train the same trials at once. The kernel gives the right back when the process ends,
    however it ends. What a killed driver left of Ray is removed first.

    Parameters
    ----------
    state : path
        Folder of checkpoints and journals.
    patience_seconds : float
        How long the end of the block waits for an MLflow that is out of reach.

    Raises
    ------
    BusyError
        If another process holds the right; the message says which, and since when.
    StorageError
        If the folder cannot be written.
    TrackingError
        If MLflow cannot be reached at the start or at the end.
    """
    with _locked(state):
        remove_sessions(state / "ray")
        with durable_writer(state / JOURNALS, patience_seconds) as writer:
            yield writer


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    file = state / LOCK
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip() or "another process"
            raise BusyError(
                f"{state}: {holder} trains here; wait until it has ended, or end it with kill"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"PID {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode(), 0)
        yield
    finally:
        os.close(lock)


class Recorder:
    """Writes the runs of a campaign's or search's trials, below its parent run.

    Parameters
    ----------
    kind : str
        "campaign" or "search".
    campaign_id : str
        Identity that parent and trials share.
    specs : sequence of TrialSpec
        The trials, in order; with what a searcher proposed of those that have started.
    tags : mapping, optional
        Tags of every trial's run, beside those of the machine that trains it.
    archive : TrialArchive, optional
        Where a file of each trial is kept that has ended for good.
    """

    def __init__(
        self,
        writer: RunWriter,
        kind: str,
        campaign_id: str,
        parent_run_id: str,
        specs: Sequence[TrialSpec[Task]],
        tags: Mapping[str, str] | None = None,
        archive: TrialArchive | None = None,
    ) -> None:
        self.writer = writer
        self.kind = kind
        self.campaign_id = campaign_id
        self.parent_run_id = parent_run_id
        self.specs = list(specs)
        self.archive = archive
        self._tags = dict(tags or {})
        self._position = {spec.trial_id: i for i, spec in enumerate(specs)}
        self._runs: dict[str, str] = {}
        self._open: set[str] = set()
        self._machines: dict[str, Machine] = {}

    def of(self, specs: Sequence[TrialSpec[Task]]) -> Recorder:
        """Return a recorder of some of the trials."""
        return Recorder(
            self.writer, self.kind, self.campaign_id, self.parent_run_id, specs, archive=self.archive
        )

    def trials(self, metrics: Sequence[str], run_ids: Sequence[str] | None = None) -> list[TrialSummary]:
        """Return the trials that MLflow has on record, or those with these runs."""
        campaign_id = self.campaign_id if run_ids is None else None
        return reader.trials(self.writer.client, self.kind, campaign_id, run_ids=run_ids, metrics=metrics)

    def configure(self, trial_id: str, configuration: Configuration) -> TrialSpec[Task]:
        """Give a trial that has no run yet another configuration, and return its spec."""
        position = self._position[trial_id]
        self.specs[position] = replace(self.specs[position], configuration=configuration)
        return self.specs[position]

    def open(self, trial_id: str) -> None:
        """Open the run of a trial, unless it is open."""
        if trial_id not in self._open:
            self._open_run(trial_id, self._tags)
            self._open.add(trial_id)

    def _open_run(self, trial_id: str, tags: Mapping[str, str], machine: Machine | None = None) -> None:
        spec = self.specs[self._position[trial_id]]
        self._runs[trial_id] = self.writer.open_trial(
            self.parent_run_id,
            self.kind,
            self.campaign_id,
            trial_id,
            spec.key,
            spec.configuration,
            spec.seed,
            tags=tags,
            digest=spec.task.data_digest,
            dataset_path=spec.task.dataset_path,
            host=machine.record if machine else None,
        )

    def epoch(
        self,
        trial_id: str,
        epoch: int,
        metrics: Mapping[str, float],
        timestamp_ms: int,
        result: Result | None = None,
        machine: Machine | None = None,
    ) -> None:
        """Log the metrics of an epoch (counted from 1), with what was decided if that is new.

        `machine` is where it was trained, if it was trained now; a trial that goes on repeats others' epochs.
        """
        if result is not None and machine is not None and machine != self._machines.get(trial_id):
            self._machines[trial_id] = machine
            known = machine.as_known(describe_host().record())
            tags = {**self._tags, **known.tags, **hosts_tag(known.record, epoch)}
            self._open_run(trial_id, tags, known)
        self.writer.log_epoch(self._runs[trial_id], epoch, metrics, timestamp_ms, result)

    def close(self, trial: Trial) -> None:
        """Close the run of a trial that has ended, with its status and the reason."""
        self.open(trial.trial_id)
        tags = {"reason": trial.reason}
        if trial.stop is not None:
            tags["stop"] = str(trial.stop)
        if trial.deaths:
            tags["worker_deaths"] = str(trial.deaths)
        self.writer.close(self._runs[trial.trial_id], trial.status, tags=tags)
        self._open.discard(trial.trial_id)
        if self.archive is not None:
            self.archive.keep(self.writer.entries_of(self._runs[trial.trial_id]))

    def run_id(self, trial_id: str) -> str:
        """Return the id of a trial's run, once MLflow has everything (`RunWriter.settle`)."""
        return self.writer.run_id(self._runs[trial_id])

    def kill_open(self, trials: Mapping[str, Trial], reason: str) -> None:
        """Close as killed every run that is open: `reason` ended the session."""
        for trial_id in sorted(self._open):
            status_reason = "paused" if trials[trial_id].state is TrialState.PAUSED else reason
            self.writer.close(self._runs[trial_id], "killed", tags={"reason": status_reason})
        self._open.clear()


@contextmanager
def closed_truthfully(writer: RunWriter, run_id: str) -> Iterator[None]:
    """Close a parent run as killed or failed if the block ends by an interruption or an error."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, InterruptedStageError):
        writer.close(run_id, "killed", tags={"reason": "interrupted"})
        raise
    except Exception as error:
        with log_only(f"run {run_id}: stays open in MLflow until the next start"):
            writer.close(run_id, "failed", tags={"reason": one_line(error)})
        raise


@contextmanager
def log_only(consequence: str) -> Iterator[None]:
    """Log an exception instead of raising it, where it would hide the one that is being raised."""
    try:
        yield
    except Exception as error:
        log.warning("%s (%s)", consequence, one_line(error))
