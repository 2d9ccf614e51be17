"""What it costs to write trials to MLflow and to read them back: ``python -m benchmarks.tracking``."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow import MlflowClient

from mlpf_hpo.files import write_json
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from tests.tracking.servers import MlflowServer

CONCURRENT = 24
METRICS = ("val/loss", "train/loss", *(f"val/metric_{i}" for i in range(20)))
"""As many as a real epoch has."""

CONFIGURATION = {"lr": 1e-3, "n_glayers_id": 2, "n_glayers_reg": 2, "output_dim": 64}


@dataclass(frozen=True)
class Size:
    """How much is written and read.

    Attributes
    ----------
    runs, epochs : int
        Written to SQLite through the outbox, and read back.
    sample : int
        Runs that the other ways of writing and reading are measured on.
    """

    runs: int
    epochs: int
    sample: int


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
    yield from _ways(uri, "SQLite", size, size, folder)
    server = MlflowServer(uri, folder)
    server.start()
    try:
        yield from _ways(
            server.uri, "mlflow server", Size(size.sample, size.epochs, size.sample), size, folder
        )
    finally:
        server.kill()


def _ways(uri: str, where: str, written: Size, read: Size, folder: Path) -> Iterator[Comparison]:
    client = connect(uri)
    plain = write(RunWriter(client), f"plain {where}", written.sample, written.epochs)
    with durable_writer(folder / "spool", 600.0, uri) as writer:
        safe = write(writer, f"safe {where}", written.runs, written.epochs)
    check(client, f"safe {where}", written.runs, written.epochs)
    yield Comparison(f"an epoch to {where}: plain, by the outbox", plain, safe)
    bulk = check(client, "safe SQLite", read.runs, read.epochs)
    run_ids = [trial.run_id for trial in reader.trials(client, "campaign", "safe SQLite", metrics=())]
    single = one_by_one(client, run_ids[: read.sample])
    yield Comparison(f"a run from {where}: by metric, all at once", single, bulk)


def main() -> None:
    """Measure, print, and keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="48 runs of 20 epochs instead of 1,000 of 100")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    options = parser.parse_args()
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
