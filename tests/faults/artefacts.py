"""Small, real artefacts of every kind that the stages leave: each is written, and read back as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mlpf_hpo.config import Params, parse_params
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.mlpf.plain_files import PlainFiles
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.journal import Journal
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tuning.checkpoints import newest_checkpoint, save_checkpoint

QUICK = parse_params(
    {
        "predictors": {
            "candidates": ["persistence", "svr"],
            "criterion": "spearman",
            "outer_folds": 2,
            "inner_folds": 2,
            "table_2_splits": 1,
            "table_2_points": 4,
            "qsvr": {"reads": 2, "sweeps": 2, "points": 4},
        }
    }
)
"""Params under which predictors are compared in seconds."""


def events(n: int, elements: int = 40) -> Iterator[Event]:
    """Yield made-up events."""
    for number in range(n):
        generator = np.random.default_rng(number)
        features = generator.normal(size=(elements, 12)).astype(np.float32)
        features[:, 0] = generator.integers(1, 3, elements)
        targets = generator.normal(size=(elements, 7)).astype(np.float32)
        targets[:, 0] = generator.integers(0, 6, elements)
        met = np.zeros(2, np.float32)
        yield Event(features, targets, targets, number, "ttbar", 0.0, np.ones((2, 4), np.float32), met)


def curves(n: int = 16, n_epochs: int = 6, seed: int = 0) -> LearningCurves:
    """Return made-up curves; one ends early."""
    generator = np.random.default_rng(seed)
    lr = np.exp(generator.uniform(-8, -4, n))
    values = 1 + 100 * lr[:, None] + np.exp(-np.arange(n_epochs)) + generator.normal(0, 0.01, (n, n_epochs))
    values[1, -2:] = np.nan
    keys = [f"c{i}" for i in range(n)]
    return LearningCurves(
        configs=pd.DataFrame({"config_id": keys, "seed": range(n), "lr": lr, "bin_size": [8] * n}),
        metrics={"val/loss": values, "train/loss": values * 0.9},
        target=TargetMetric("val/loss", "min"),
        status=np.where(np.arange(n) == 1, "diverged", "finished"),
        restart_epoch=np.full(n, -1),
        source="made up",
        run_ids=np.array([f"r{i}" for i in range(n)]),
        hardware=np.full(n, "box"),
    )


def to_bytes(table: LearningCurves) -> bytes:
    """Return all of a data set as bytes."""
    arrays = [table.metrics[name] for name in sorted(table.metrics)]
    parts = [array.tobytes() for array in (*arrays, table.restart_epoch)]
    names = [table.source, table.metric, table.mode, sorted(table.metrics)]
    texts = [*names, table.status.tolist(), table.run_ids.tolist(), table.hardware.tolist()]
    return b"".join(parts) + repr(texts).encode() + table.configs.to_csv(float_format="%a").encode()


@dataclass(frozen=True)
class Artefact:
    """Something that is stored.

    Attributes
    ----------
    write : callable
        Writes version `i` into a folder.
    read : callable
        Reads it back, whole, as bytes.
    file_pattern : str
        Regular expression of the file name in an error.
    """

    write: Callable[[Path, int], object]
    read: Callable[[Path], bytes]
    file_pattern: str


def _store_bytes(folder: Path) -> bytes:
    store = EventStore.open(folder / "train")
    store.verify()
    return b"".join(
        event.features.tobytes() + event.targets.tobytes()
        for event in map(store.__getitem__, range(len(store)))
    )


def _checkpoint(folder: Path, version: int) -> None:
    content = {"epoch": version, "weights": torch.full((20_000,), float(version))}
    save_checkpoint(folder / "trial", version, lambda path: PlainFiles().save_checkpoint(content, path))


def _checkpoint_bytes(folder: Path) -> bytes:
    newest = newest_checkpoint(folder / "trial")
    assert newest is not None
    return bytes(repr((newest.epoch, newest.content["weights"].tolist())), "ascii")


def _journal(folder: Path, version: int) -> None:
    with closing(Journal(folder / "j.jsonl")) as journal:
        journal.append(LogMetrics("k" * 3000, "t000", version, {"val/loss": 0.5}, 1))


ARTEFACTS = {
    "events": Artefact(
        lambda folder, i: write_store(folder / "train", events(20 + i), {"version": i}), _store_bytes, "train"
    ),
    "checkpoint": Artefact(_checkpoint, _checkpoint_bytes, r"epoch-\d{5}\.ckpt"),
    "curves": Artefact(
        lambda folder, i: write_curves(curves(200, 20, seed=i), folder / "curves.parquet"),
        lambda folder: to_bytes(read_curves(folder / "curves.parquet")),
        r"curves\.(parquet|card\.(json|md))",
    ),
    "a stage's record": Artefact(
        lambda folder, i: write_record(folder / "search.json", {"version": i, "curve": [0.5] * 5000}),
        lambda folder: repr(read_record(folder / "search.json", "search")).encode(),
        r"search\.json",
    ),
    "a search's journal": Artefact(
        _journal, lambda folder: repr(list(Journal(folder / "j.jsonl").entries())).encode(), r"j\.jsonl"
    ),
}


def quick_params(**changes: object) -> Params:
    """Return `QUICK` with whole sections replaced."""
    return parse_params({**QUICK.model_dump(mode="json"), **changes})
