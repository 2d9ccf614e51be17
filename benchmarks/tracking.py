"""What it costs to write trials to MLflow and to read them back: ``python -m benchmarks.tracking``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric

from benchmarks.command import command
from mlpf_hpo.files import write_json
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from tests.tracking.servers import MlflowServer

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


def one_by_one(client: MlflowClient, run_ids: Sequence[str]) -> float:
    """Read runs metric by metric; return seconds per run."""
    started = time.perf_counter()
    for run_id in run_ids:
        for name in METRICS:
            client.get_metric_history(run_id, name)
    return (time.perf_counter() - started) / len(run_ids)


@dataclass(frozen=True)
class Comparison:
    """One thing measured in two ways, in seconds."""

    what: str
    before: float
    after: float

    def told(self) -> str:
        """Return a line for people."""
        ratio = self.after / self.before
        return f"{self.what:<46} {self.before * 1e3:9.2f} ms  {self.after * 1e3:9.2f} ms  {ratio:6.2f}"


def compare(size: Size, folder: Path) -> Iterator[Comparison]:
    """Yield all comparisons."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    fill(RunWriter(connect(uri)), size.runs, size.epochs)
    yield from _ways(uri, "SQLite", size, folder)
    server = MlflowServer(uri, folder)
    server.start()
    try:
        yield from _ways(server.uri, "mlflow server", size, folder)
    finally:
        server.kill()


def _ways(uri: str, where: str, size: Size, folder: Path) -> Iterator[Comparison]:
    client = connect(uri)
    plain = write(RunWriter(client), f"plain {where}", size.sample, size.epochs)
    with durable_writer(folder / "journals", 600.0, uri) as writer:
        safe = write(writer, f"safe {where}", size.sample, size.epochs)
    check(client, f"safe {where}", size.sample, size.epochs)
    yield Comparison(f"an epoch to {where}: plain, by a journal", plain, safe)
    bulk = check(client, FILLED, size.runs, size.epochs)
    run_ids = [trial.run_id for trial in reader.trials(client, "campaign", FILLED, metrics=())]
    single = one_by_one(client, run_ids[: size.sample])
    yield Comparison(f"a run from {where}: by metric, all at once", single, bulk)


def main() -> None:
    """Measure, print, and keep the numbers where asked."""
    options = command(__doc__, quick="48 runs of 20 epochs instead of 1,000 of 100")
    size = QUICK if options.quick else FULL
    print(f"{size.runs} runs of {size.epochs} epochs with {len(METRICS)} metrics; {CONCURRENT} at once")
    print(f"{'':<46} {'before':>12}  {'after':>12}  {'ratio':>6}")
    found = []
    with tempfile.TemporaryDirectory(prefix="tracking") as folder:
        for comparison in compare(size, Path(folder)):
            print(comparison.told(), flush=True)
            found.append(asdict(comparison))
    if options.json:
        write_json(options.json, {"size": asdict(size), "metrics": len(METRICS), "comparisons": found})


if __name__ == "__main__":
    main()
