"""What it costs to write trials to MLflow and to read them back: ``python -m benchmarks.tracking``."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow import MlflowClient

from benchmarks.command import command, print_numbers
from benchmarks.tracking_against import QUICK_ROUNDS, ROUNDS, readback_against
from benchmarks.tracking_load import CONCURRENT, FILLED, FULL, METRICS, QUICK, Size, check, fill, write
from mlpf_hpo.files import write_json
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter, durable_writer
from tests.tracking.servers import MlflowServer


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
    options = command(__doc__, quick="48 runs of 20 epochs instead of 1,000 of 100", against=True)
    size = QUICK if options.quick else FULL
    print(f"{size.runs} runs of {size.epochs} epochs with {len(METRICS)} metrics; {CONCURRENT} at once")
    print(f"{'':<46} {'before':>12}  {'after':>12}  {'ratio':>6}")
    found = []
    with tempfile.TemporaryDirectory(prefix="tracking") as folder:
        for comparison in compare(size, Path(folder)):
            print(comparison.told(), flush=True)
            found.append(asdict(comparison))
    against = {}
    if options.against is not None:
        against = readback_against(options.against, size, QUICK_ROUNDS if options.quick else ROUNDS)
        print_numbers(against)
    if options.json:
        content = {
            "size": asdict(size),
            "metrics": len(METRICS),
            "comparisons": found,
            "load": os.getloadavg()[1],
        }
        write_json(options.json, {**content, "commit": options.against, **against})


if __name__ == "__main__":
    main()
