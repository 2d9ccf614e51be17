"""Training steps of another commit beside those of this one, in turns, each in its own checkout."""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.against import ROOT, ask, checkout, run, worker
from benchmarks.cases import CALM, LAPTOP, PAPER
from mlpf_hpo.config import Params
from mlpf_hpo.project import STATE

SPACE = [(2, 2, 64, 32), (0, 0, 8, 8), (1, 1, 8, 8), (0, 4, 32, 64), (3, 1, 128, 16), (4, 4, 256, 128)]
"""Layers id and reg, width and bin of configurations over the search space; the first is the default."""

BUSY = 5500
"""Elements of the event at the paper's widths."""

PAIRS, QUICK_PAIRS = 20, 2

STEPS, ONE_THREAD = "step_worker.py", {"OMP_NUM_THREADS": "1"}

LOSS = "metric/val/loss/"
"""Columns of a table of curves, by epoch."""

RESAMPLED = 10_000


def cases() -> dict[str, dict[str, Any]]:
    """Return what is compared, by name, as `step_worker` takes it."""
    calm = [CALM] * Params().training.batch_events

    def case(
        widths: tuple[int, int, int, int], network: Any, sizes: list[int], inference: bool = False
    ) -> dict[str, Any]:
        n_id, n_reg, width, bin_size = widths
        shape = {"layers": [n_id, n_reg], "width": width, "bin": bin_size, "sizes": sizes}
        return {**shape, "network": network.model_dump(mode="json"), "inference": inference}

    found = {f"space.{i}": case(widths, LAPTOP, calm) for i, widths in enumerate(SPACE)}
    found["inference.default"] = case(SPACE[0], LAPTOP, calm, inference=True)
    found["paper"] = case((3, 3, 256, 32), PAPER, [BUSY])
    found["inference.paper"] = case((3, 3, 256, 32), PAPER, [BUSY], inference=True)
    return {name: {"case": name, **request} for name, request in found.items()}


def steps_against(commit: str, quick: bool) -> dict[str, float]:
    """Return how many times as fast as a commit's today's steps are: medians of pairs, and their quartiles.

    Processor time, one thread. `against.space` is the geometric mean over configurations of the space.

    Raises
    ------
    ConfigurationError
        If there is no such commit, or it cannot be installed or run.
    """
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        before = stack.enter_context(checkout(commit, Path(folder, "before")))
        sides = [stack.enter_context(worker(before, before / ".venv/bin/python", STEPS, **ONE_THREAD))]
        sides.append(stack.enter_context(worker(ROOT, Path(sys.executable), STEPS, **ONE_THREAD)))
        for name, request in cases().items():
            pairs = [
                [ask(side, request, f"a step of {request['case']}") for side in sides]
                for _ in range(QUICK_PAIRS if quick else PAIRS)
            ]
            ratios = [slow / fast for slow, fast in pairs]
            low, _, high = statistics.quantiles(ratios, n=4)
            key = "against.default" if name == "space.0" else f"against.{name}"
            found[f"{key}.speedup"] = statistics.median(ratios)
            found |= {f"{key}.low": low, f"{key}.high": high}
            found[f"{key}.before_ms"] = 1e3 * statistics.median(slow for slow, _ in pairs)
            found[f"{key}.after_ms"] = 1e3 * statistics.median(fast for _, fast in pairs)
    of_space = [
        found["against.default.speedup"],
        *(found[f"against.space.{i}.speedup"] for i in range(1, len(SPACE))),
    ]
    found["against.space.speedup"] = math.exp(statistics.fmean(map(math.log, of_space)))
    return found


def campaign_against(commit: str, quick: bool) -> dict[str, float]:
    """Return how many times as fast the stage `campaign` is as at a commit: wall time, in turns.

    Beside it the final validation losses over those of the commit, configuration by configuration: the
    geometric mean with a 95% bootstrap interval, as random numbers and rounding are others.

    Raises
    ------
    ConfigurationError
        If there is no such commit, or it cannot be installed or run.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sides = [
            stack.enter_context(checkout(which, Path(folder, name)))
            for name, which in (("before", commit), ("after", "HEAD"))
        ]
        for side in sides:
            _dvc(side, "events")
        rounds = range(1 if quick else 3)
        times = [[_campaign_seconds(side) for side in sides] for _ in rounds]
        before, after = (_final_losses(side) for side in sides)
    logs = np.log(after / before.loc[after.index]).to_numpy()
    drawn = np.random.default_rng(0).integers(len(logs), size=(RESAMPLED, len(logs)))
    ratios = [slow / fast for slow, fast in times]
    return {
        "against.campaign.speedup": statistics.median(ratios),
        "against.campaign.pairs": len(times),
        "against.campaign.low": min(ratios),
        "against.campaign.high": max(ratios),
        "against.campaign.before_seconds": statistics.median(slow for slow, _ in times),
        "against.campaign.after_seconds": statistics.median(fast for _, fast in times),
        "against.campaign.final_loss_ratio": float(np.exp(logs.mean())),
        "against.campaign.final_loss_ratio_low": float(np.exp(np.quantile(logs[drawn].mean(axis=1), 0.025))),
        "against.campaign.final_loss_ratio_high": float(np.exp(np.quantile(logs[drawn].mean(axis=1), 0.975))),
        "against.campaign.configurations": len(logs),
    }


def _campaign_seconds(side: Path) -> float:
    for left in (STATE, "mlartifacts"):
        shutil.rmtree(side / left, ignore_errors=True)
    (side / "mlflow.db").unlink(missing_ok=True)
    begin = time.perf_counter()
    _dvc(side, "--force", "--single-item", "campaign")
    return time.perf_counter() - begin


def _final_losses(side: Path) -> pd.Series[float]:
    """Return the last validation loss of each configuration that has not diverged."""
    _dvc(side, "--force", "--single-item", "curves")
    table = pd.read_parquet(side / "data/curves.parquet").set_index("config_id")
    losses = [name for name in table if name.startswith(LOSS)]
    last = max(losses, key=lambda name: int(name.removeprefix(LOSS)))
    return table[last].dropna()


def _dvc(side: Path, *target: str) -> None:
    command = [str(side / ".venv/bin/python"), "-m", "dvc", "repro", "--quiet", *target]
    run(command, side, f"dvc repro {' '.join(target)} failed in {side.name}")
