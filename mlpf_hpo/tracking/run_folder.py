"""Runs in a folder `mlruns`, as MLflow's store of files left them, read without that store.

The store of MLflow 3.17 refuses to be opened unless a variable allows it, makes a folder where it is opened,
and lists all runs of an experiment for each question about one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
)
from mlflow.utils.search_utils import SearchUtils

from mlpf_hpo.errors import DataError, one_line
from mlpf_hpo.tracking.metric_history import Histories, History

META = "meta.yaml"

ACTIVE = LifecycleStage.ACTIVE

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

POINT = 3
"""Words of a line of a metric: moment in ms, value, step; the name and digest of a data set may follow."""


class RunFolder:
    """The experiments and runs of a folder; nothing is written into it.

    Parameters
    ----------
    root : path
        With a folder for each experiment.

    Raises
    ------
    DataError
        If it has none; by the methods, if a file is damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not any(root.glob(f"*/{META}")):
            raise DataError(f"{root}: no folder of MLflow's runs: wanted is one with an experiment's {META}")

    def experiments(self) -> list[Experiment]:
        """Return those that are not deleted."""
        found = (_meta(file) for file in sorted(self.root.glob(f"*/{META}")))
        return [
            Experiment(str(one["experiment_id"]), str(one["name"]), "", ACTIVE)
            for one in found
            if one.get("lifecycle_stage", ACTIVE) == ACTIVE and "name" in one
        ]

    def runs(self, experiment_id: str, condition: str) -> list[Run]:
        """Return the runs that are not deleted and fit a search condition of MLflow, newest first."""
        found = [run for file in self._experiment(experiment_id).glob(f"*/{META}") if (run := _run(file))]
        found.sort(key=lambda run: (-(run.info.start_time or 0), run.info.run_id))
        return SearchUtils.filter(found, condition) if condition else found

    def histories(self, runs: list[Run], name: str) -> Histories:
        """Return the points of a metric of runs; of those that have it."""
        files = {run.info.run_id: self._metric(run, name) for run in runs}
        return {run_id: {name: _history(file)} if file.is_file() else {} for run_id, file in files.items()}

    def _metric(self, run: Run, name: str) -> Path:
        return self._experiment(run.info.experiment_id) / run.info.run_id / "metrics" / name

    def _experiment(self, experiment_id: str) -> Path:
        return self.root / experiment_id


def _run(meta: Path) -> Run | None:
    """Return the run of a folder, None for one that is deleted."""
    found, folder = _meta(meta), meta.parent
    if found.get("lifecycle_stage", ACTIVE) != ACTIVE:
        return None
    info = RunInfo(
        run_id=folder.name,
        experiment_id=folder.parent.name,
        user_id=str(found.get("user_id", "")),
        status=RunStatus.to_string(found.get("status", RunStatus.RUNNING)),
        start_time=found.get("start_time"),
        end_time=found.get("end_time"),
        lifecycle_stage=ACTIVE,
        run_name=found.get("run_name"),
    )
    metrics = [_latest(name, file) for name, file in _files(folder / "metrics")]
    params = [Param(name, _text(file)) for name, file in _files(folder / "params")]
    tags = [RunTag(name, _text(file)) for name, file in _files(folder / "tags")]
    return Run(info, RunData(metrics=metrics, params=params, tags=tags))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder with their names, in which a slash is a folder's."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _latest(name: str, file: Path) -> Metric:
    """Return the point that MLflow takes for a metric's value: of the largest step, of several the latest."""
    history = _history(file)
    points = zip(history.steps, history.moments_ms, history.values, strict=True)
    step, moment, value = max(points, default=(0, 0, float("nan")))
    return Metric(name, value, moment, step)


def _history(file: Path) -> History:
    points = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        words = line.split()
        try:
            moment, value = int(words[0]), float(words[1])
            points.append((int(words[2]) if len(words) >= POINT else 0, moment, value))
        except (ValueError, IndexError):
            raise DataError(f"{file}: line {number} is no point of a metric: {line[:40]}") from None
    points.sort(key=lambda point: point[:2])
    steps, moments, values = zip(*points, strict=True) if points else ((), (), ())
    return History(steps, values, moments)


def _meta(file: Path) -> Mapping[str, Any]:
    try:
        found = yaml.load(_text(file), LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise DataError(f"{file}: cannot be read as YAML: {one_line(error)}") from None
    if not isinstance(found, Mapping):
        raise DataError(f"{file}: no mapping, as MLflow writes it")
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
