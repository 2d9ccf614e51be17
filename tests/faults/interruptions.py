"""Ctrl-C in stages that are not searches: while they import what they need, and at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.clones import Clone
from tests.faults.database import statuses
from tests.faults.processes import (
    PATIENCE_SECONDS,
    ctrl_c,
    nobody_left,
    none_survives,
    stage_process,
    terminate_stage,
    wait_until,
)

OUTPUTS = {
    "events": "data/events/validation",  # the second of the two
    "campaign": "data/campaign.json",
    "curves": "data/curves.parquet",
    "predictors": "results/predictors.json",
    "register": "results/register.json",
    "search": "results/search.json",
    "benchmark": "results/benchmark/mlpf-bmk_summary.json",
    "report": "report/index.html",
}
"""What each stage writes last."""

PERSISTENT = ("register",)
"""Stages whose output DVC leaves in place while they run again."""


def check_interrupted(clone: Clone, stage: str, status: int, output: str) -> None:
    """Check that a stage failed in a way that the next run can take up."""
    assert status != 0, output
    assert "Traceback" not in output
    output_file = clone.folder / OUTPUTS[stage]
    if stage in PERSISTENT:
        assert "verdict" in json.loads(output_file.read_text()), "the record of the run before, whole"
    else:
        assert not output_file.exists(), "no short output under a green stage"


def loaded(process: psutil.Process, library: str) -> bool:
    """Tell whether a process has loaded a shared library."""
    return any(library in region.path for region in process.memory_maps())


def has_open(process: psutil.Process, name: str) -> bool:
    """Tell whether a process has a file open."""
    return any(Path(file.path).name.startswith(name) for file in process.open_files())


def importing(process: psutil.Process) -> bool:
    """Tell whether a stage has begun to import what it needs: NumPy comes first of what takes long."""
    return loaded(process, "_multiarray_umath")


AT_WORK = {
    "events": lambda process: any("spawn_main" in " ".join(child.cmdline()) for child in process.children()),
    "curves": lambda process: has_open(process, "mlflow.db"),
    "predictors": lambda process: loaded(process, "_libsvm"),
    "register": lambda process: has_open(process, "mlflow.db"),
    "benchmark": lambda process: len(process.children()) >= 2,
    "report": lambda process: loaded(process, "ft2font"),
}
"""How one sees from outside that a stage does what it is for."""


def interrupt(clone: Clone, stage: str, how: Callable[..., None], moment: Callable[..., bool]) -> bool:
    """Run a stage anew and interrupt it at a moment; return False if it was over before that."""
    command = clone.start("dvc", "repro", "--force", "--single-item", stage)

    def come() -> bool:
        process = stage_process(clone.folder, stage)
        try:
            return command.poll() is not None or (process is not None and moment(process))
        except psutil.Error:
            return False

    with none_survives(clone):
        wait_until(come, f"{stage} at work", every=0.01)
        if stage_process(clone.folder, stage) is not None:
            how(clone, command, stage)
        output, _ = command.communicate(timeout=PATIENCE_SECONDS)
    if command.returncode == 0:
        return False
    check_interrupted(clone, stage, command.returncode, output)
    assert "interrupted" in output
    return True


WITH_PROCESSES = ("events", "benchmark")
"""Stages that must end others before they end, when nobody but they is asked to."""


def check_ctrl_c(clone: Clone, stage: str, measured: Callable[[str, str, str], None]) -> None:
    """Interrupt a stage while it imports what it needs and at work, and run it to its end."""
    if stage == "predictors":
        clone.write_params({"predictors": {"candidates": ["persistence", "svr"]}})
    moments = [(ctrl_c, importing), (ctrl_c, AT_WORK[stage])]
    if stage in WITH_PROCESSES:
        moments.append((terminate_stage, AT_WORK[stage]))
    for how, moment in moments:
        assert any(interrupt(clone, stage, how, moment) for _ in range(3)), "always over too soon"
        nobody_left(clone.folder)
        assert not list(clone.folder.rglob(".*.tmp")), "nothing half-written"
    output = clone.run("dvc", "repro", "--force", "--single-item", stage)
    assert (clone.folder / OUTPUTS[stage]).exists(), output
    assert "RUNNING" not in statuses(clone.folder)
    done = "Ctrl-C twice" + ", SIGTERM once" * (stage in WITH_PROCESSES)
    measured("kills", f"{stage}: {done}", "a clear message each time; then it completes")
