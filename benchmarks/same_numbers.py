"""Whether two finished projects hold the same numbers: ``python -m benchmarks.same_numbers BEFORE AFTER``.

For a change that moves code and must move no number: run the pipeline with equal parameters before and after
it, with ``resources.concurrency: 1``, and compare the folders. Numbers are compared as float64, events by the
bytes of their files. What a clock, a machine or an address decides is left out. The exit status is the number
of parts that differ.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mlpf_hpo.files import sha256

OF_THE_RUN = re.compile(
    r"(^|/)(run_id|run_ids|parent_run_id|experiment_id|link|links|model_uri|tracking_uri|wall_seconds|reused|hosts|"
    r"models|sampling|source_run|best_run_id|hardware.*|.*seconds.*|.*timestamp.*|campaign_id|search_id|sha256|"
    r"checksum|settings|digest|dataset_digest|benchmark\..*)($|/)"
)
"""Keys of records that differ from run to run: ids, addresses, times, files with addresses in them."""

TIMED = re.compile(r"^(metric/)?(throughput|time|system)/|run_id|hardware|timestamp")
"""Columns of the curves that a clock or a machine decides."""

RENAMED = {"policies": "schedulers", "policy": "scheduler"}
"""Keys that had another name before."""


def flat(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of every leaf of a record, but those that differ from run to run."""
    if OF_THE_RUN.search(path.rpartition("/")[2]):
        return
    if isinstance(content, dict):
        for key, value in content.items():
            yield from flat(value, f"{path}/{RENAMED.get(key, key)}")
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from flat(value, f"{path}/{index}")
    else:
        yield path, content


def records(before: Path, after: Path) -> list[str]:
    """Return the differences between two JSON records, leaf by leaf."""
    old, new = (dict(flat(json.loads(file.read_text()))) for file in (before, after))
    found = [f"only before: {path} = {old[path]!r}" for path in old.keys() - new.keys()]
    found += [f"only after: {path} = {new[path]!r}" for path in new.keys() - old.keys()]
    found += [
        f"{path}: {old[path]!r} -> {new[path]!r}"
        for path in old.keys() & new.keys()
        if not same(old[path], new[path])
    ]
    return sorted(found)


def same(one: Any, other: Any) -> bool:
    """Tell whether two leaves are equal; NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def curves(before: Path, after: Path) -> list[str]:
    """Return the differences between two data sets of curves, column by column."""
    old, new = (pq.read_table(file).to_pandas() for file in (before, after))
    columns = [name for name in old.columns if not TIMED.search(name)]
    found = [f"only before: {name}" for name in columns if name not in new.columns]
    there = [name for name in columns if name in new.columns]
    found += [f"{name}: other values" for name in there if not all(map(_same_cells, old[name], new[name]))]
    return found


def _same_cells(one: Any, other: Any) -> bool:
    if hasattr(one, "__len__") and not isinstance(one, str):
        return len(one) == len(other) and all(map(_same_cells, one, other))
    return same(one, other)


def files(before: Path, after: Path) -> list[str]:
    """Return the files of two folders that differ in their bytes."""
    names = {
        file.relative_to(folder) for folder in (before, after) for file in folder.rglob("*") if file.is_file()
    }
    return [
        str(name)
        for name in sorted(names)
        if not ((before / name).is_file() and (after / name).is_file())
        or sha256(before / name) != sha256(after / name)
    ]


PARTS: dict[str, tuple[Callable[[Path, Path], list[str]], str]] = {
    "events": (files, "data/events"),
    "campaign": (records, "data/campaign.json"),
    "curves": (curves, "data/curves.parquet"),
    "predictors": (records, "results/predictors.json"),
    "champion": (records, "results/champion.json"),
    "search": (records, "results/search.json"),
    "physics": (records, "results/physics/validation_result.json"),
    "report": (records, "report/metrics.json"),
}


def main() -> int:
    """Compare and print; return how many parts differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a finished project")
    parser.add_argument("after", type=Path, help="another one, run with equal parameters")
    asked = parser.parse_args()
    differing = 0
    for part, (compare, path) in PARTS.items():
        before, after = asked.before / path, asked.after / path
        if not (before.exists() and after.exists()):
            found = [f"{one}: not there" for one in (before, after) if not one.exists()]
        else:
            found = compare(before, after)
        differing += bool(found)
        print(f"{part}: {'equal' if not found else f'{len(found)} differences'}")
        for line in found[:10]:
            print(f"  {line}")
    return differing


if __name__ == "__main__":
    raise SystemExit(main())
