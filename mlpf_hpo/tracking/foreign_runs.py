"""Runs of anybody's MLflow experiment as recorded trainings, with the whole history of one metric."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.store.db.utils import _all_tables_exist
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, TrackingError, did_you_mean
from mlpf_hpo.file_kind import file_kind
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.login import full_uri, known_as
from mlpf_hpo.tracking.metric_history import Histories, History, metric_histories
from mlpf_hpo.tracking.mlflow_errors import first_line, translate_errors
from mlpf_hpo.tracking.reader import all_runs, value_of
from mlpf_hpo.tracking.run_folder import RunFolder
from mlpf_hpo.tracking.storage_errors import SQLITE, StoreClient, database_file, database_uri

PARENT = "mlflow.parentRunId"

OURS = "trial_status"
"""Tag of a trial of this package: how it ended, which MLflow's status does not tell."""

STATUSES = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped",
    "RUNNING": "running",
    "SCHEDULED": "running",
}

TABLES = {"experiments", "runs", "metrics"}
"""Of every version of MLflow's database."""

REMEDY = "start the server, or correct its address"

MOST_LISTED = 12


def read_mlflow(where: str, query: Query) -> RecordedTrainings:
    """Return the runs of an experiment.

    A SQLite database is read from a copy of it: MLflow makes and migrates tables where it opens one. The
    files of a folder are read without MLflow's store, see `run_folder`. A run
    whose nested runs have the metric is the parent of trainings and none itself.

    Parameters
    ----------
    where : str
        Address of a server or a database, a file of SQLite, or a folder ``mlruns``.
    query : Query
        `experiment` is its name or id; `condition` a search condition of MLflow, such as
        ``params.optimizer = 'adam'``.

    Raises
    ------
    MissingInputError, DataError
        If the file or folder is not there, or no store of MLflow; or there is no such experiment or metric.
    TrackingError
        If the server does not answer, or refuses the condition.
    ConfigurationError
        If there are several experiments or metrics and none is named.
    """
    asked = f"--filter {query.condition}" if query.condition else "to answer"
    with _store(where) as (store, public), translate_errors(public, asked):
        experiment = _experiment(store.experiments(), query.experiment, public)
        runs = store.runs(experiment.experiment_id, query.condition or "")
        place = f"{public}, experiment {experiment.name}"
        if not runs:
            fits = f"no run that fits --filter {query.condition}" if query.condition else "no runs"
            raise DataError(f"{place}: {fits}")
        counts = Counter(name for run in runs for name in run.data.metrics)
        metric = choose_metric(counts, query.metric, place)
        having = [run for run in runs if metric in run.data.metrics]
        parents = {run.data.tags[PARENT] for run in having if PARENT in run.data.tags}
        trainings = [run for run in runs if run.info.run_id not in parents]
        histories = store.histories(trainings, metric)
    left_out = {"parent of nested runs": len(runs) - len(trainings)} if len(trainings) < len(runs) else {}
    recorded = (_training(run, histories[run.info.run_id].get(metric)) for run in trainings)
    return RecordedTrainings(metric, tuple(recorded), left_out=left_out)


def _training(run: Run, history: History | None) -> RecordedTraining:
    points = zip(history.moments_ms, history.steps, history.values, strict=True) if history else ()
    ordered = sorted(points, key=itemgetter(0, 1))
    return RecordedTraining(
        name=run.info.run_name or run.info.run_id,
        configuration=run.data.params,
        points=[(step, value_of(value)) for _, step, value in ordered],
        status=run.data.tags.get(OURS) or STATUSES.get(run.info.status, "unknown"),
        run_id=run.info.run_id,
    )


class _Client:
    """The experiments and runs of a server or a database."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client

    def experiments(self) -> list[Experiment]:
        found: list[Experiment] = []
        token = None
        while True:
            page = self.client.search_experiments(page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def runs(self, experiment_id: str, condition: str) -> list[Run]:
        return list(all_runs(self.client, experiment_id, condition))

    def histories(self, runs: list[Run], name: str) -> Histories:
        return metric_histories(self.client, runs, [name])


def _experiment(found: Sequence[Experiment], name: str | None, where: str) -> Experiment:
    """Return the experiment of a name or id, or the only one beside MLflow's empty default."""
    named = [one for one in found if name in (one.name, one.experiment_id)]
    if named:
        return named[0]
    names = sorted(one.name for one in found)
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    listed = ", ".join(names[:MOST_LISTED]) + more
    if name is not None:
        raise DataError(f"{where}: no experiment {name}{did_you_mean(name, names)}; there are {listed}")
    own = [one for one in found if one.name != "Default"] or found
    if len(own) != 1:
        raise ConfigurationError(f"{where}: several experiments, say which with --experiment: {listed}")
    return own[0]


@contextmanager
def _store(where: str) -> Iterator[tuple[_Client | RunFolder, str]]:
    """Yield a store that is there, which is not changed, and its address for messages."""
    if where.startswith(("http://", "https://")):
        yield _Client(connect(where, remedy=REMEDY)), known_as(where)
    elif "://" in where and not where.startswith((SQLITE, "file:")):
        _check_database(where)
        yield _Client(connect(where, remedy=REMEDY)), known_as(where)
    else:
        path = database_file(where) if where.startswith(SQLITE) else Path(where.removeprefix("file://"))
        if path.is_dir():
            yield RunFolder(path), str(path)
            return
        with tempfile.TemporaryDirectory(prefix="mlpf-hpo-") as folder:
            copy = _copy(path, Path(folder))
            uri = database_uri(copy)
            with translate_errors(str(path), "to be opened"):
                client = StoreClient(tracking_uri=uri, registry_uri=uri)
                client.search_experiments(max_results=1)
            yield _Client(client), str(path)


def _copy(path: Path, folder: Path) -> Path:
    """Return a copy of a SQLite database of MLflow, as it is at one moment."""
    if not path.is_file():
        raise MissingInputError(
            f"{path}: no such file; wanted is MLflow's database, or the address of a server"
        )
    kind = file_kind(path)
    if kind != "a SQLite database":
        raise DataError(f"{path}: {kind}; wanted is MLflow's database, or the address of a server")
    copy = folder / path.name
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(copy)) as target,
        ):
            names = {
                name for (name,) in original.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if not names >= TABLES:
                raise DataError(
                    f"{path}: a database, but not MLflow's: its tables are {', '.join(sorted(names)[:5])}"
                )
            original.backup(target)
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path}: cannot be read as a SQLite database: {error}") from None
    return copy


def _check_database(where: str) -> None:
    """Refuse a database in which MLflow would make or migrate tables."""
    public = known_as(where)
    try:
        engine = create_engine(full_uri(public))
        try:
            whole = _all_tables_exist(engine)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise TrackingError(f"{public}: cannot be reached: {first_line(error)}; {REMEDY}") from None
    if not whole:
        raise DataError(
            f"{public}: no database of this version of MLflow, which would make its tables there; give the "
            "address of its server"
        )
