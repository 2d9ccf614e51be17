"""One search under Ray Tune with workers that sleep, tracked as always: where its time went."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recorded_task import RecordedTask, read_spans
from benchmarks.search_trace import TracedScheduler, costs, idle_seconds
from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.overheads import Overheads
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.tracking.journal import JOURNALS
from mlpf_hpo.tracking.writer import durable_writer
from mlpf_hpo.tuning.driver import Recorder
from mlpf_hpo.tuning.ray_session import train_left
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import TrialSpec

PATIENCE_SECONDS = 600.0


def run_under_ray(
    curves: LearningCurves, scheduler: Scheduler, workers: int, seconds: FloatArray
) -> dict[str, Any]:
    """Search curves with so many one-core workers that sleep, each epoch in MLflow on SQLite.

    Ray is told of as many cores as there are workers: who sleeps needs none. `seconds` are those of the
    epochs, [n_trials, n_epochs].

    Returns
    -------
    dict
        ``wall`` from the start of Ray to its end; ``startup``, until the first trial was chosen, and
        ``shutdown``; of workers x wall the shares ``training``, ``idle`` (the scheduler had no trial for the
        worker) and ``overhead``, which is all else; ``start``, ``resume`` and ``report`` as in `Costs`;
        ``driver``, processor seconds of this process for each epoch; ``epochs``, ``pauses``, ``load``.
    """
    task = RecordedTask(curves.metric, curves.values, seconds)
    columns = curves.configs[list(curves.hyperparameters)].to_dict("records")
    specs = [
        TrialSpec(f"t{row:03d}", {str(name): value for name, value in column.items()}, row, task)
        for row, column in enumerate(columns)
    ]
    traced = TracedScheduler(scheduler, curves.n_epochs)
    trials = [Trial(spec.trial_id, spec.key, spec.configuration) for spec in specs]
    ledger = Ledger(trials, traced, curves.n_epochs, curves.target)
    resources = ResourceParams(concurrency=workers, gpus_per_trial=0)
    with tempfile.TemporaryDirectory(prefix="scaling") as folder:
        state = Path(folder)
        checkpoints = state / "checkpoints"
        with durable_writer(state / JOURNALS, PATIENCE_SECONDS, f"sqlite:///{state / 'mlflow.db'}") as writer:
            parent = writer.open_parent("search", "scaling", "scaling", {}, {}, "")
            recorder = Recorder(writer, "search", "scaling", parent, specs)
            processor, begin = time.process_time(), time.time()
            train_left(specs, ledger, recorder, resources, state, checkpoints, None)
            end, processor = time.time(), time.process_time() - processor
        spans = {
            spec.trial_id: read_spans(checkpoints / spec.key)
            for spec in specs
            if (checkpoints / spec.key).is_dir()
        }
    total = workers * (end - begin)
    trained = sum(after - before for of_trial in spans.values() for _, before, after in of_trial)
    moments = [moment for moment, _ in traced.chosen]
    idle = idle_seconds(moments, traced.freed, workers)
    epochs = sum(map(len, spans.values()))
    return {
        "wall": end - begin,
        "startup": moments[0] - begin,
        "shutdown": end - max(traced.freed),
        "training": trained / total,
        "idle": idle / total,
        "overhead": 1 - (trained + idle) / total,
        **asdict(costs(spans, traced.chosen)),
        "driver": processor / epochs,
        "epochs": epochs,
        "pauses": traced.pauses,
        "load": os.getloadavg()[0],
    }


def simulated(
    curves: LearningCurves, scheduler: Scheduler, workers: int, seconds: FloatArray, found: dict[str, Any]
) -> dict[str, float]:
    """Return what the simulator makes of the same search with the costs that were found, beside its wall."""
    overheads = Overheads(start=found["start"], resume=found["resume"], report=found["report"])
    search = simulate(curves, scheduler, workers, durations=np.asarray(seconds), overheads=overheads)
    wall = found["wall"] - found["startup"] - found["shutdown"]
    return {"makespan": search.makespan, "epochs": search.epochs, "error": search.makespan / wall - 1}
