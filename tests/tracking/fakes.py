"""A store in memory that fails on demand: before it obeys, after it, or by obeying later."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from types import SimpleNamespace

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

OK, LOST, UNANSWERED, LATE, REFUSED = "ok", "lost", "unanswered", "late", "refused"


class FakeMlflow:
    """What `StoreWrites` needs of an MlflowClient.

    `faults` are taken one per request: OK; LOST, nothing was done; UNANSWERED, it was done; LATE, a run is
    made `delay` requests later (anything else: LOST); REFUSED, as by a defect. After the last all is well.
    """

    tracking_uri = "http://fake"
    _tracking_client = SimpleNamespace(store=None)  # no server's: no file of metrics is kept with runs

    def __init__(self, faults: Iterable[str] = (), delay: int = 3) -> None:
        self.faults = iter(faults)
        self.delay = delay
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, SimpleNamespace] = {}
        self._numbers = itertools.count(1)
        self._late: list[list] = []

    def _obey(self, action, may_be_late: bool = False):
        for entry in self._late:
            entry[0] -= 1
        self.catch_up(due_only=True)
        fault = next(self.faults, OK)
        if fault == REFUSED:
            raise MlflowException("no such thing", INVALID_PARAMETER_VALUE)
        if fault == LATE and may_be_late:
            self._late.append([self.delay, action])
        result = action() if fault in (OK, UNANSWERED) else None
        if fault != OK:
            raise MlflowException("nobody there", TEMPORARILY_UNAVAILABLE)
        return result

    def catch_up(self, due_only: bool = False) -> None:
        """Obey the late requests."""
        due = [entry for entry in self._late if not due_only or entry[0] <= 0]
        self._late = [entry for entry in self._late if entry not in due]
        for _, action in due:
            action()

    def search_experiments(self, max_results: int) -> list:
        return self._obey(list)

    def get_experiment_by_name(self, name: str):
        def action():
            return (
                SimpleNamespace(experiment_id=name, lifecycle_stage="active")
                if name in self.experiments
                else None
            )

        return self._obey(action)

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        return self._obey(lambda: self.experiments.setdefault(name, name))

    def create_run(self, experiment_id: str, start_time: int, tags: dict, run_name: str):
        def action():
            run_id = f"{next(self._numbers):032x}"
            info = SimpleNamespace(run_id=run_id, start_time=start_time, status="RUNNING", end_time=None)
            held = {"points": [], "tags": dict(tags), "params": {}, "inputs": []}
            run = SimpleNamespace(experiment_id=experiment_id, info=info, deleted=False, **held)
            self.runs[run_id] = run
            return self._seen(run)

        return self._obey(action, may_be_late=True)

    def search_runs(self, experiment_ids: list[str], condition: str, max_results: int) -> list:
        wanted = dict(re.findall(r"tags\.(\w+) = '([^']*)'", condition))

        def action():
            return [
                self._seen(run)
                for run in self.runs.values()
                if run.experiment_id in experiment_ids
                and not run.deleted
                and wanted.items() <= run.tags.items()
            ]

        return self._obey(action)

    def update_run(self, run_id: str, status: str) -> None:
        self._obey(lambda: setattr(self.runs[run_id].info, "status", status))

    def log_batch(self, run_id: str, metrics=(), params=(), tags=()) -> None:
        def action():
            run = self.runs[run_id]
            for point in metrics:
                value = "nan" if math.isnan(point.value) else point.value
                entry = (point.key, point.step, point.timestamp, value)
                if entry not in run.points:  # equal points are dropped, as SQL stores do
                    run.points.append(entry)
            for param in params:
                assert run.params.setdefault(param.key, param.value) == param.value
            run.tags.update({tag.key: tag.value for tag in tags})

        self._obey(action)

    def log_inputs(self, run_id: str, datasets: list) -> None:
        self._obey(lambda: self.runs[run_id].inputs.extend(datasets))

    def get_run(self, run_id: str):
        return self._obey(lambda: self._seen(self.runs[run_id]))

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        def action():
            self.runs[run_id].info.status, self.runs[run_id].info.end_time = status, end_time

        self._obey(action)

    def delete_run(self, run_id: str) -> None:
        self._obey(lambda: setattr(self.runs[run_id], "deleted", True))

    def _seen(self, run: SimpleNamespace) -> SimpleNamespace:
        points = [SimpleNamespace(key=key, step=step) for key, step, *_ in run.points]
        return SimpleNamespace(
            info=SimpleNamespace(**vars(run.info)),
            data=SimpleNamespace(
                tags=dict(run.tags),
                params=dict(run.params),
                metrics={point.key: 0.0 for point in points},
                to_proto=lambda: SimpleNamespace(metrics=points),
            ),
            inputs=SimpleNamespace(dataset_inputs=list(run.inputs)),
        )
