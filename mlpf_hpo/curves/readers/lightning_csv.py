"""Read the folders of Lightning's CSVLogger: `metrics.csv`, and the hyperparameters in `hparams.yaml`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mlpf_hpo.curves.readers.folders import folder_name, run_folders
from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import DataError, one_line

EPOCH, STEP = "epoch", "step"

HYPERPARAMETERS = "hparams.yaml"


def read_lightning(where: str, query: Query) -> RecordedTrainings:
    """Return the trainings below a folder; of several values in one epoch the last one counts.

    Lightning does not record whether a training came to its end: their status is not known.
    """
    root = Path(where)
    tables = {
        folder: _table(folder / "metrics.csv") for folder in run_folders(where, "lightning", query.condition)
    }
    counts = Counter(str(name) for table in tables.values() for name in table if name not in (EPOCH, STEP))
    metric = choose_metric(counts, query.metric, where)
    trainings = tuple(
        RecordedTraining(folder_name(folder, root), saved_hyperparameters(folder), _points(table, metric))
        for folder, table in tables.items()
    )
    return RecordedTrainings(metric, trainings)


def saved_hyperparameters(folder: Path) -> Mapping[str, Any]:
    """Return what `save_hyperparameters` of Lightning left in a folder; empty if that is nothing.

    Raises
    ------
    DataError
        If the file is not YAML, or no mapping.
    """
    file = folder / HYPERPARAMETERS
    if not file.exists():
        return {}
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), _TextOfObjects)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{file}: cannot be read as YAML: {one_line(error)}") from None
    if not isinstance(found, Mapping | None):
        raise DataError(f"{file}: no mapping of hyperparameters to values")
    return found or {}


class _TextOfObjects(yaml.SafeLoader):
    """Loads tags of Python's objects, which Lightning writes and nothing here makes, as texts."""


def _as_text(_: yaml.SafeLoader, tag: str, node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and node.value else tag


_TextOfObjects.add_multi_constructor("tag:yaml.org,2002:python/", _as_text)
_TextOfObjects.add_multi_constructor("!", _as_text)


def _table(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as CSV: {one_line(error)}") from None
    if not {EPOCH, STEP} & set(table.columns):
        raise DataError(f"{file}: has no column epoch or step, as Lightning's CSVLogger writes them")
    return table


def _points(table: pd.DataFrame, metric: str) -> list[tuple[int, float]]:
    if metric not in table:
        return []
    index = EPOCH if EPOCH in table and table[EPOCH].notna().any() else STEP
    rows = table[[index, metric]].apply(pd.to_numeric, errors="coerce").dropna()
    return [(int(at), float(value)) for at, value in rows.itertuples(index=False)]
