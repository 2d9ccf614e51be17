"""Metric histories of many runs at once, by few queries: asking run by run takes ten times as long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlMetric
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.rest_utils import http_request_safe
from sqlalchemy import select

from mlpf_hpo.search.search_result import Point

RUNS_PER_QUERY, POINTS_PER_REQUEST = 100, 25_000
"""What a server gives at once, for one metric; it cuts off what is beyond, without a word."""

BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
"""Where a server answers for many runs at once, as it does to its own interface."""

REQUESTS_AT_ONCE = 4
"""As many as an MLflow server has workers."""


Histories: TypeAlias = dict[str, dict[str, list[Point]]]
"""Run id -> metric name -> points in no particular order."""


def metric_histories(client: MlflowClient, run_ids: Sequence[str], names: Collection[str]) -> Histories:
    """Return the points of some metrics of some runs; what a run has not logged is left out."""
    store = client._tracking_client.store
    found: Histories = defaultdict(lambda: defaultdict(list))
    if isinstance(store, SqlAlchemyStore):
        points = _from_database(store, run_ids, names)
    elif isinstance(store, RestStore):
        points = _from_server(client, store, run_ids, names)
    else:
        points = (
            (run_id, name, p)
            for run_id in run_ids
            for name in names
            for p in _of_one_run(client, run_id, name)
        )
    for run_id, name, point in points:
        found[run_id][name].append(point)
    return found


def _from_database(
    store: SqlAlchemyStore, run_ids: Sequence[str], names: Collection[str]
) -> Iterator[tuple[str, str, Point]]:
    """Select plain columns: MLflow's own queries make an object of each point, which takes far longer."""
    metric = SqlMetric
    columns = (metric.run_uuid, metric.key, metric.timestamp, metric.step, metric.value, metric.is_nan)
    with store.ManagedSessionMaker() as session:
        for runs in _chunks(run_ids):
            wanted = select(*columns).where(metric.run_uuid.in_(runs), metric.key.in_(names))
            rows = session.connection().execute(wanted)
            for run_id, name, moment, step, value, is_nan in rows:
                yield run_id, name, Point(step, float("nan") if is_nan else value, moment)


def _from_server(
    client: MlflowClient, store: RestStore, run_ids: Sequence[str], names: Collection[str]
) -> Iterator[tuple[str, str, Point]]:
    jobs = [(list(runs), name) for name in names for runs in _chunks(run_ids)]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        for job, points in zip(jobs, pool.map(lambda job: _ask(client, store, *job), jobs), strict=True):
            for run_id, point in points:
                yield run_id, job[1], point


def _ask(client: MlflowClient, store: RestStore, run_ids: list[str], name: str) -> list[tuple[str, Point]]:
    """Return one metric of some runs, asked for in halves where an answer may have been cut off."""
    question = {"run_id": run_ids, "metric_key": name, "max_results": POINTS_PER_REQUEST}
    answer = http_request_safe(store.get_host_creds(), BULK, "GET", params=question).json()["metrics"]
    if len(answer) < POINTS_PER_REQUEST:
        return [(p["run_id"], Point(p["step"], p["value"], p["timestamp"])) for p in answer]
    if len(run_ids) == 1:
        return [(run_ids[0], point) for point in _of_one_run(client, run_ids[0], name)]
    middle = len(run_ids) // 2
    return [
        *_ask(client, store, run_ids[:middle], name),
        *_ask(client, store, run_ids[middle:], name),
    ]


def _of_one_run(client: MlflowClient, run_id: str, name: str) -> list[Point]:
    return [Point(p.step, p.value, p.timestamp) for p in client.get_metric_history(run_id, name)]


def _chunks(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(run_ids), RUNS_PER_QUERY):
        yield run_ids[start : start + RUNS_PER_QUERY]
