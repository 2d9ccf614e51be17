"""Metric histories of many runs at once: asking metric by metric and run by run takes ten times as long.

A database is asked for plain columns. A server makes an object and a line of JSON of each point, so of runs
that have a `history_file` it is asked for that, and of the others for one metric of many runs at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.tracking.dbmodels.models import SqlMetric
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.rest_utils import http_request_safe
from sqlalchemy import select

from mlpf_hpo.tracking.history_file import fetch_history, has_history_file

RUNS_PER_SELECT = 20
"""Few enough that their rows, a thousand or so of each run, are soon taken apart and forgotten."""

RUNS_PER_REQUEST, POINTS_PER_REQUEST = 100, 25_000
"""What a server gives at once, for one metric; it cuts off what is beyond, without a word."""

BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
"""Where a server answers for many runs at once, as it does to its own interface."""

REQUESTS_AT_ONCE = 4
"""As many as an MLflow server has workers."""


class History(NamedTuple):
    """The points of one metric of one run, by step; of several at a step, first the one logged first.

    The moments are in ms since 1970.
    """

    steps: tuple[int, ...]
    values: tuple[float, ...]
    moments_ms: tuple[int, ...]


Histories: TypeAlias = dict[str, dict[str, History]]
"""Run id -> metric name -> its points."""


def metric_histories(client: MlflowClient, runs: Sequence[Run], names: Collection[str]) -> Histories:
    """Return the points of some metrics of some runs; what a run has not logged is left out."""
    found: Histories = {run.info.run_id: {} for run in runs}
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        histories = _from_database(store, list(found), names)
    elif isinstance(store, RestStore):
        histories = _from_server(client, store, runs, names)
    else:
        histories = (_of_one_run(client, run_id, name) for run_id in found for name in names)
    for run_id, name, history in histories:
        if history.steps:
            found[run_id][name] = history
    return found


_Named: TypeAlias = tuple[str, str, History]
"""Run id, metric name, and the points."""

_Point: TypeAlias = tuple[int, int, float]
"""Step, moment in ms, value."""


def _in_order(points: Iterable[_Point]) -> History:
    columns = list(zip(*sorted(points, key=itemgetter(0, 1)), strict=True)) or [(), (), ()]
    steps, moments, values = columns
    return History(steps, values, moments)


def _from_database(
    store: SqlAlchemyStore, run_ids: Sequence[str], names: Collection[str]
) -> Iterator[_Named]:
    """Select plain columns by the driver: rows of SQLAlchemy take twice as long, MLflow's objects more."""
    metric = SqlMetric
    columns = (metric.run_uuid, metric.key, metric.step, metric.timestamp, metric.value, metric.is_nan)
    with store.ManagedSessionMaker() as session:
        connection = session.connection()
        cursor = connection.connection.cursor()
        for some in _chunks(run_ids, RUNS_PER_SELECT):
            wanted = select(*columns).where(metric.run_uuid.in_(some), metric.key.in_(names))
            wanted = wanted.order_by(metric.run_uuid, metric.key, metric.step, metric.timestamp)
            # Names of metrics have no character that a driver would take for a parameter's.
            cursor.execute(str(wanted.compile(connection, compile_kwargs={"literal_binds": True})))
            for (run_id, name), rows in groupby(cursor.fetchall(), itemgetter(0, 1)):
                yield run_id, name, _from_rows(list(rows))
        cursor.close()


def _from_rows(rows: list[Any]) -> History:
    _, _, steps, moments, values, is_nan = zip(*rows, strict=True)
    if any(is_nan):
        values = tuple(float("nan") if nan else value for nan, value in zip(is_nan, values, strict=True))
    return History(steps, values, moments)


def _from_server(
    client: MlflowClient, store: RestStore, runs: Sequence[Run], names: Collection[str]
) -> Iterator[_Named]:
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        with_file = [run for run in runs if has_history_file(run, names)]
        left = {run.info.run_id for run in runs}
        for run, columns in zip(
            with_file, pool.map(lambda run: fetch_history(store, run), with_file), strict=True
        ):
            if columns is None:  # gone, damaged, or the run went on
                continue
            left.remove(run.info.run_id)
            for name in columns.metrics.keys() & set(names):
                yield run.info.run_id, name, History(*columns.of(name))
        jobs = [(some, name) for name in names for some in _chunks(sorted(left), RUNS_PER_REQUEST)]
        for job, points in zip(jobs, pool.map(lambda job: _ask(client, store, *job), jobs), strict=True):
            for run_id, found in points.items():
                yield run_id, job[1], _in_order(found)


def _ask(
    client: MlflowClient, store: RestStore, run_ids: Sequence[str], name: str
) -> dict[str, list[_Point]]:
    """Return one metric of some runs, asked for in halves where an answer may have been cut off."""
    question = {"run_id": run_ids, "metric_key": name, "max_results": POINTS_PER_REQUEST}
    answer = http_request_safe(store.get_host_creds(), BULK, "GET", params=question).json()["metrics"]
    if len(answer) < POINTS_PER_REQUEST:
        points: dict[str, list[_Point]] = defaultdict(list)
        for point in answer:
            points[point["run_id"]].append((point["step"], point["timestamp"], point["value"]))
        return points
    if len(run_ids) == 1:
        return {run_ids[0]: _points(client, run_ids[0], name)}
    middle = len(run_ids) // 2
    return {
        **_ask(client, store, run_ids[:middle], name),
        **_ask(client, store, run_ids[middle:], name),
    }


def _of_one_run(client: MlflowClient, run_id: str, name: str) -> _Named:
    return run_id, name, _in_order(_points(client, run_id, name))


def _points(client: MlflowClient, run_id: str, name: str) -> list[_Point]:
    return [(p.step, p.timestamp, p.value) for p in client.get_metric_history(run_id, name)]


def _chunks(run_ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(run_ids), size):
        yield run_ids[start : start + size]
