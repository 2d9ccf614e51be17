"""A campaign as it is written to MLflow, every point of it known: to be measured, and to be checked."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric

from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter

CONCURRENT = 24
METRICS = ("val/loss", "train/loss", *(f"val/metric_{i}" for i in range(20)))
"""As many as a real epoch has."""

MOST_AT_ONCE = 1000
"""Points that MLflow takes in one request."""

CONFIGURATION = {"lr": 1e-3, "n_glayers_id": 2, "n_glayers_reg": 2, "output_dim": 64}


@dataclass(frozen=True)
class Size:
    """How much is written and read.

    Attributes
    ----------
    runs, epochs : int
        Read back.
    sample : int
        Of these, runs that every way of writing is measured on, and reading metric by metric.
    """

    runs: int
    epochs: int
    sample: int


FILLED = "filled"
"""Campaign that is read back."""

FULL, QUICK = Size(runs=1000, epochs=100, sample=24), Size(runs=48, epochs=20, sample=24)


def write(writer: RunWriter, campaign: str, runs: int, epochs: int) -> float:
    """Write runs as a driver with 24 trials at once does; return seconds per epoch, runs' ends included."""
    parent = writer.open_parent("campaign", campaign, campaign, {}, {}, "")
    started = time.perf_counter()
    for first in range(0, runs, CONCURRENT):
        numbers = range(first, min(first + CONCURRENT, runs))
        opened = {
            n: writer.open_trial(parent, "campaign", campaign, f"t{n:04d}", f"k{n}", CONFIGURATION, seed=n)
            for n in numbers
        }
        for epoch in range(1, epochs + 1):
            for n, run in opened.items():
                writer.log_epoch(run, epoch, metrics(n, epoch), 1000 * epoch)
        for run in opened.values():
            writer.close(run, "finished")
    writer.settle()
    return (time.perf_counter() - started) / (runs * epochs)


def fill(writer: RunWriter, runs: int, epochs: int) -> None:
    """Put the runs that are read back on record, as fast as MLflow takes them."""
    parent = writer.open_parent("campaign", FILLED, FILLED, {}, {}, "")
    for n in range(runs):
        _fill_run(writer, parent, n, epochs)


def fill_concurrently(uri: str, runs: int, epochs: int) -> None:
    """Do the same by many writers at once, each with connections of its own."""
    parent = RunWriter(connect(uri)).open_parent("campaign", FILLED, FILLED, {}, {}, "")

    def fill_share(first: int) -> None:
        writer = RunWriter(connect(uri))
        for n in range(first, runs, CONCURRENT):
            _fill_run(writer, parent, n, epochs)

    with ThreadPoolExecutor(CONCURRENT) as pool:
        list(pool.map(fill_share, range(CONCURRENT)))


def _fill_run(writer: RunWriter, parent: str, n: int, epochs: int) -> None:
    run = writer.open_trial(parent, "campaign", FILLED, f"t{n:04d}", f"k{n}", CONFIGURATION, seed=n)
    points = [
        Metric(name, value, 1000 * epoch, epoch)
        for epoch in range(1, epochs + 1)
        for name, value in metrics(n, epoch).items()
    ]
    for first in range(0, len(points), MOST_AT_ONCE):
        writer.client.log_batch(run, metrics=points[first : first + MOST_AT_ONCE])
    writer.close(run, "finished")


def metrics(number: int, epoch: int) -> dict[str, float]:
    """Return the metrics of an epoch, different at every point."""
    return {name: number + i / 32 + 1 / epoch for i, name in enumerate(METRICS)}


def check(client: MlflowClient, campaign: str, runs: int, epochs: int) -> float:
    """Read a campaign back and check every point; return seconds per run of the reading alone."""
    started = time.perf_counter()
    found = reader.trials(client, "campaign", campaign)
    seconds = time.perf_counter() - started
    assert [trial.trial_id for trial in found] == [f"t{n:04d}" for n in range(runs)]
    for n, trial in enumerate(found):
        assert trial.status == "finished"
        told = {name: tuple(metrics(n, e)[name] for e in range(1, epochs + 1)) for name in METRICS}
        assert trial.metrics == told, trial.trial_id
    return seconds / runs
