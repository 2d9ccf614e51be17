"""Differences between two versions of a table of curves of one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError

NAMED = 3
"""At most so many rows are named in a text."""


def difference(before: LearningCurves, after: LearningCurves) -> dict[str, Any]:
    """Return what differs between two tables of one task, as JSON; rows are found by configuration and seed.

    Rows with equal configuration and seed are told apart by their order.

    Returns
    -------
    dict
        `rows`: the number `before`, `after`, `added`, `removed`, `changed` and `same`; a row is changed if
        its status or a value of a common metric is another, or its length. `added`, `removed`, `changed`: the
        rows, each [config_id, seed]. `metrics`: `added` and `removed`. `largest_change`: of the target, its
        row, epoch (1 is the first) and the values `before` and `after`; None if none changed. `epochs`: of
        the longest curves, before and after.

    Raises
    ------
    DataError
        If the tables are of different tasks: other metric, hyperparameters or training data.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> target = TargetMetric("loss", "min")
    >>> one = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], [[3.0, 2.0], [4.0, 3.5]], target)
    >>> two = LearningCurves.from_arrays([{"lr": 0.3}, {"lr": 0.2}], [[3.0, 2.0], [4.0, 3.0]], target)
    >>> found = difference(one, two)
    >>> {name: found["rows"][name] for name in ("added", "removed", "changed", "same")}
    {'added': 1, 'removed': 1, 'changed': 1, 'same': 0}
    >>> found["largest_change"]["epoch"], found["largest_change"]["before"], found["largest_change"]["after"]
    (2, 3.5, 3.0)
    """
    _check_one_task(before, after)
    keys, new_keys = _keys(before), _keys(after)
    common = keys.intersection(new_keys, sort=False)
    old, new = before.select(keys.get_indexer(common)), after.select(new_keys.get_indexer(common))
    shared = [name for name in before.metrics if name in after.metrics]
    changes = {name: _changes(old.metrics[name], new.metrics[name]) for name in shared}
    changed = (old.status != new.status) | np.any([c.any(axis=1) for c in changes.values()], axis=0)
    added, removed = new_keys.difference(keys, sort=False), keys.difference(new_keys, sort=False)
    return {
        "rows": {
            "before": len(before),
            "after": len(after),
            "added": len(added),
            "removed": len(removed),
            "changed": int(changed.sum()),
            "same": int((~changed).sum()),
        },
        "added": _as_lists(added),
        "removed": _as_lists(removed),
        "changed": _as_lists(common[changed]),
        "metrics": {
            "added": [name for name in after.metrics if name not in before.metrics],
            "removed": [name for name in before.metrics if name not in after.metrics],
        },
        "largest_change": _largest_change(old, new),
        "epochs": {"before": before.n_epochs, "after": after.n_epochs},
    }


def format_difference(found: Mapping[str, Any], metric: str) -> str:
    """Return what `difference` found as text."""
    rows, epochs, lines = found["rows"], found["epochs"], []
    counts = ", ".join(f"{rows[name]} {name}" for name in ("same", "added", "removed", "changed"))
    lines.append(f"rows: {rows['before']} before, {rows['after']} after: {counts}")
    for name in ("added", "removed", "changed"):
        if found[name]:
            more = f" and {len(found[name]) - NAMED} more" if len(found[name]) > NAMED else ""
            named = ", ".join(f"{group} seed {seed}" for group, seed in found[name][:NAMED])
            lines.append(f"{name}: {named}{more}")
    if epochs["before"] != epochs["after"]:
        lines.append(f"epochs: {epochs['before']} before, {epochs['after']} after")
    lines += [f"metrics {name}: {', '.join(names)}" for name, names in found["metrics"].items() if names]
    largest = found["largest_change"]
    if largest is not None:
        lines.append(
            f"largest change of {metric}: {largest['before']:.6g} before, {largest['after']:.6g} after, in "
            f"{largest['config_id']} seed {largest['seed']}, epoch {largest['epoch']}"
        )
    return "\n".join(lines)


def _check_one_task(before: LearningCurves, after: LearningCurves) -> None:
    wrong = ""
    if before.target != after.target:
        wrong = f"{before.target} and {after.target}"
    elif set(before.hyperparameters) != set(after.hyperparameters):
        others = sorted(set(before.hyperparameters) ^ set(after.hyperparameters))
        wrong = f"hyperparameters of one of them alone: {', '.join(others)}"
    elif before.data_digest and after.data_digest and before.data_digest != after.data_digest:
        wrong = f"trained on data {before.data_digest} and {after.data_digest}"
    if wrong:
        raise DataError(f"{before.source} and {after.source} are tables of different tasks: {wrong}")


def _keys(curves: LearningCurves) -> pd.MultiIndex:
    """Return configuration, seed, and the position among rows where both are equal, of each row."""
    table = pd.DataFrame({"group": curves.groups, "seed": curves.configs["seed"].to_numpy()})
    table["copy"] = table.groupby(["group", "seed"]).cumcount()
    return pd.MultiIndex.from_frame(table)


def _changes(old: FloatArray, new: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which values differ, [n, epochs of the longer one]; missing values are equal to each other."""
    epochs = max(old.shape[1], new.shape[1])
    wide = [np.pad(v, ((0, 0), (0, epochs - v.shape[1])), constant_values=np.nan) for v in (old, new)]
    return (wide[0] != wide[1]) & ~(np.isnan(wide[0]) & np.isnan(wide[1]))


def _largest_change(old: LearningCurves, new: LearningCurves) -> dict[str, Any] | None:
    epochs = min(old.n_epochs, new.n_epochs)
    before, after = old.values[:, :epochs], new.values[:, :epochs]
    both = np.isfinite(before) & np.isfinite(after)
    sizes = np.where(both, np.abs(np.where(both, after, 0) - np.where(both, before, 0)), 0.0)
    if not sizes.any():
        return None
    row, epoch = (int(i) for i in np.unravel_index(sizes.argmax(), sizes.shape))
    return {
        "config_id": str(old.groups[row]),
        "seed": int(old.configs["seed"].iloc[row]),
        "epoch": epoch + 1,
        "before": float(before[row, epoch]),
        "after": float(after[row, epoch]),
    }


def _as_lists(keys: pd.MultiIndex) -> list[list[Any]]:
    return [[str(group), int(seed)] for group, seed, _ in keys]
