"""How long a new process takes to load the champion.

``python -m benchmarks.champion [--quick] [--json FILE]``: from the first import to a predictor that answers,
out of a registry in SQLite. Processes take turns: as it is, with the garbage collector left on, and one that
only imports and opens what comes from others.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.command import command, report
from mlpf_hpo.curves.dataset import curves_file_digest, write_curves
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.tracking.aliases import make_model, promote
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.registry import register_predictor
from tests.faults.artefacts import curves

CURVES, EPOCHS = 48, 16
"""As the pipeline's."""

RUNS, QUICK_RUNS = 15, 3

MODEL = "curve-predictor-val-loss-16-epochs-0123abcd"

LOAD = f"from mlpf_hpo.predictors.model_file import load_registered; load_registered('{MODEL}@champion')"

COLLECTING = """
import contextlib, mlpf_hpo.collector
@contextlib.contextmanager
def not_paused(): yield
mlpf_hpo.collector.collector_paused = not_paused
"""

LIBRARIES = """
import os, pandas, sklearn.compose, sklearn.ensemble, sklearn.pipeline, mlflow
mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).search_experiments(max_results=1)
"""

WAYS = {"champion": LOAD, "collecting": COLLECTING + LOAD, "libraries": LIBRARIES}

TIMED = """
import time; begin = time.perf_counter()
{code}
print(time.perf_counter() - begin)
"""


def register(folder: Path, uri: str) -> None:
    """Make a registry whose champion is of the kind that the pipeline's is: trees, a model per epoch."""
    table, file = curves(CURVES, EPOCHS), folder / "curves.parquet"
    write_curves(table, file)
    made = make_predictor("stacked", PredictorsParams(), 0, range(EPOCHS))
    client = connect(uri)
    run = client.create_run(client.create_experiment("champion"))
    make_model(client, MODEL, "", {})
    version = register_predictor(
        client,
        made.fit(table.frame(), table.final, table.groups),
        table.frame(2).head(3),
        model=MODEL,
        trusted=trusted_types(),
        run_id=run.info.run_id,
        digest=curves_file_digest(file),
        dataset_path=file,
        metrics={},
        tags={},
    )
    promote(client, version, "champion")


def measure(runs: int) -> dict[str, float]:
    """Return the seconds of each way, medians, and the ratio of what the pause brings, pair by pair."""
    with tempfile.TemporaryDirectory() as name:
        uri = f"sqlite:///{name}/mlflow.db"
        register(Path(name), uri)
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(runs + 1):
            for way, code in WAYS.items():
                told = subprocess.run(
                    [sys.executable, "-c", TIMED.format(code=code)],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                if number:  # the first of each warms the disk's cache
                    seconds[way].append(float(told.stdout.split()[-1]))
    pairs = zip(seconds["champion"], seconds["collecting"], strict=True)
    return {
        **{f"{way}.seconds": statistics.median(values) for way, values in seconds.items()},
        "champion.fastest": min(seconds["champion"]),
        "champion.slowest": max(seconds["champion"]),
        "pause.ratio": statistics.median(one / other for one, other in pairs),
    }


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = command(__doc__, quick=f"{QUICK_RUNS} processes of each kind instead of {RUNS}")
    numbers = measure(QUICK_RUNS if options.quick else RUNS)
    report(numbers, options.json)


if __name__ == "__main__":
    main()
