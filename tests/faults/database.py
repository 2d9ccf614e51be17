"""What MLflow's database holds, read by SQL: nothing of this project's code stands between."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

Loss = float | str
"""A number, or "NaN", which equals itself."""

Epochs = dict[tuple[str, int], tuple[Loss, int]]
"""(run, step) -> (validation loss, timestamp in ms)."""


EPOCHS = """
    select run_uuid, step, case when is_nan then 'NaN' else value end, timestamp
    from metrics join runs using (run_uuid) join experiments using (experiment_id)
    where key = 'val/loss' and experiments.name = ?
"""
NAMES = """
    select run_uuid, a.value, b.value from tags a join tags b using (run_uuid)
    where a.key = 'campaign_id' and b.key = 'trial_key'
"""


def rows(folder: Path, query: str, *values: str) -> list[tuple]:
    """Return the answer to a query; nothing as long as MLflow is still making tables."""
    file = folder / "mlflow.db"
    if not file.exists():
        return []
    try:
        with closing(sqlite3.connect(file, timeout=60)) as database:
            return database.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return []
        raise


def logged(folder: Path, kind: str) -> Epochs:
    """Return the epochs of all trials of an experiment; no (run, step) may be there twice."""
    found = rows(folder, EPOCHS, f"mlpf/{kind}")
    epochs = {(run, step): (value, moment) for run, step, value, moment in found}
    assert len(epochs) == len(found), "an epoch stands twice"
    return epochs


def curves(folder: Path, kind: str) -> dict[tuple[str, str], list[Loss]]:
    """Return the losses of every trial by (campaign or policy, trial key); no epoch is missing."""
    points = defaultdict(list)
    for (run, step), (value, moment) in logged(folder, kind).items():
        points[run].append((step, moment, value))
    names = {run: (campaign, key) for run, campaign, key in rows(folder, NAMES)}
    out = {}
    for run, found in points.items():
        found.sort()
        steps, moments, values = zip(*found, strict=True)
        assert steps == tuple(range(1, len(steps) + 1)), f"a gap in {run}"
        assert list(moments) == sorted(set(moments)), f"epochs of {run} out of order"
        assert names[run] not in out, "two runs of one trial"
        out[names[run]] = list(values)
    return out


def statuses(folder: Path) -> set[str]:
    """Return the statuses that MLflow knows of all runs."""
    return {status for (status,) in rows(folder, "select distinct status from runs")}
