"""Trainings that look their values up, and searches over them: in this process, or in one to be killed."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import ray

from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader
from mlpf_hpo.tuning.driver import Recorder
from mlpf_hpo.tuning.run import run_trials
from mlpf_hpo.tuning.search import has_ended
from mlpf_hpo.tuning.settings import ResourceParams
from tests.tuning.replaced import ReplacedTask

TWO = ResourceParams(concurrency=2, gpus_per_trial=0)


def toy(curve, faults=(), pace=0.0, metric="val/loss"):
    """Return something that trains by looking values up; it keeps its epochs in a file, as checkpoints do."""

    def train(spec, max_epochs, folder, on_epoch):
        import time

        from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd

        folder.mkdir(parents=True, exist_ok=True)
        number, kept = int(spec.trial_id[1:].partition("r")[0]), folder / "trained"
        done = int(kept.read_text().split()[-1]) if kept.exists() else 0
        for epoch in range(1, max_epochs + 1):
            fault = dict(faults).get((number, epoch))
            if fault == "error":
                raise ValueError("no luck with\nthis one")
            if fault == "death" or (fault == "one death" and not (folder / "died").exists()):
                import os
                import signal

                (folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "full disk":
                from mlpf_hpo.errors import StorageError

                raise StorageError(f"{folder}: checkpoint cannot be written: No space left on device")
            if fault == "silence":
                time.sleep(60)
            if fault is not None and fault.startswith("hunger"):
                eaten = []
                for _ in range(int(fault.split()[1]) // 2**26):
                    eaten.append(b"1" * 2**26)
                    time.sleep(0.05)
            if epoch > done:
                time.sleep(pace)
                before = kept.read_text() if kept.exists() else ""
                (folder / "next").write_text(f"{before}{epoch}\n")
                (folder / "next").replace(kept)  # whole, also when the worker is killed
            value = curve(number, epoch)
            metrics = {metric: value, "train/loss": 0.0}
            on_epoch(EpochReport(epoch, metrics, 1000 * epoch, diverged=value != value))
            if value != value:
                return TrialEnd("diverged", epoch)
        return TrialEnd("finished", max_epochs)

    return train


def trained(tmp_path) -> list[list[int]]:
    """Return which epochs each trial trained, in its order."""
    folder = tmp_path / "state" / "checkpoints" / "s"
    return [[int(n) for n in path.read_text().split()] for path in sorted(folder.glob("*/trained"))]


def run_search(
    writer, specs, scheduler, epochs, state, resources=TWO, target=VALIDATION_LOSS, train=None, **more
):
    """Run the search `s`, or go on with it; return outcomes and MLflow's records."""
    if train is not None:
        specs = [dataclasses.replace(spec, task=ReplacedTask(train, spec.task)) for spec in specs]
    parent = writer.open_parent("search", "s", "search", {}, {}, "")
    recorder = Recorder(writer, "search", "s", parent, specs)
    outcomes = run_trials(recorder, scheduler, epochs, target, resources, state, has_ended, **more)
    return outcomes, reader.trials(writer.client, "search", "s")


DRIVER = """
    import pickle, sys
    from pathlib import Path

    from mlpf_hpo import console
    from mlpf_hpo.tracking.writer import durable_writer
    from tests.tuning.toys import run_search

    folder, uri = Path(sys.argv[1]), sys.argv[2]

    def main():
        specs, scheduler, epochs, train = pickle.loads((folder / "job.pkl").read_bytes())
        report = lambda done, total, note: (folder / "progress").write_text(str(done))
        with durable_writer(folder / "state" / "journals", 60.0, uri, 0.5) as writer:
            writer.close_orphans("s")
            run_search(writer, specs, scheduler, epochs, folder / "state", train=train, on_progress=report)
        print("all done")

    console.run(main)
"""


def start_driver(
    folder: Path, uri: str, specs, scheduler, epochs: int, train, within: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start a process, in a group of its own, that runs the search `s` as a stage does.

    `within` is a command that starts it, as in a container.
    """
    (folder / "driver.py").write_text(textwrap.dedent(DRIVER))
    (folder / "job.pkl").write_bytes(ray.cloudpickle.dumps((specs, scheduler, epochs, train)))
    (folder / "progress").unlink(missing_ok=True)
    return subprocess.Popen(
        [*within, sys.executable, str(folder / "driver.py"), str(folder), uri],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])[1:]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_progress(folder: Path, wanted: float) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        written = folder / "progress"
        if written.exists() and float(written.read_text() or 0) >= wanted:
            return
        time.sleep(0.05)
    raise TimeoutError(f"no progress to {wanted}")
