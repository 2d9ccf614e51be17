"""What the selected predictor makes of more and more of a curve, on published and other tables of curves.

``python -m benchmarks.predictors [--quick] [--json FILE] [--table NAME=FILE[:PREFIX[:MODE]]]...
[--split FILE] [--against COMMIT]``; `MLPF_HPO_REFERENCE_DIR` names the folder of the published curves. For 20
and 80 training curves, and shares seen of 0, 2, 10, 25 and 50 %, on the same splits, with 95 % intervals:
selected minus selected before the first epoch, minus persistence, and before the first epoch minus the best
of four well-known models, chosen with hindsight; coverage of the 90 % intervals among all curves, the best
third at the time, and the eventual best twentieth.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.against import evaluation_ratio
from benchmarks.pages import read_json
from benchmarks.selected import CANDIDATES, TRAIN, compare_sets
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.readers.csv_table import PREFIX, import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.target_epochs import with_finals
from mlpf_hpo.errors import ConfigurationError, DataError, MlpfHpoError
from mlpf_hpo.files import write_json
from studies.published.data import PublishedCurves, reference_folder

ROW_SETS = ("all", "distinct", "clean")
SPLITS, QUICK_SPLITS = 100, 2
PARTS = ("design", "final")


def row_sets() -> dict[str, LearningCurves]:
    """Return the published curves: all, one row per configuration, and those of them without a restart."""
    curves = PublishedCurves.load(reference_folder()).curves
    distinct = ~curves.duplicated
    found = (curves, curves.select(distinct), curves.select(distinct & curves.complete))
    return dict(zip(ROW_SETS, found, strict=True))


def named_table(text: str) -> tuple[str, LearningCurves]:
    """Return name and curves of ``NAME=FILE[:PREFIX[:MODE]]``.

    Raises
    ------
    ConfigurationError, MlpfHpoError
        If the text is not of that form, or the file cannot be read.
    """
    name, _, rest = text.partition("=")
    file, *others = rest.split(":")
    if not name or not file or len(others) > 2:
        raise ConfigurationError(
            f"--table {text}: must be NAME=FILE, NAME=FILE:PREFIX or NAME=FILE:PREFIX:MODE"
        )
    prefix, mode = (*others, "", "")[:2]
    return name, import_csv(Path(file), None, prefix or PREFIX, name, mode or None)


def split_rows(file: Path, part: str, n: int) -> list[int]:
    """Return the rows of one part of a file of splits, ``{"design": [row, ...], "final": [row, ...]}``.

    Raises
    ------
    DataError
        If it is not such a file, or names a row that the table lacks.
    """
    content = read_json(file, 'a file of splits is {"design": [row, ...], "final": [row, ...]}')
    rows = content.get(part) if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, int) and 0 <= row < n for row in rows):
        raise DataError(f"{file}: {part!r} must be a list of rows from 0 to {n - 1}")
    return rows


def tables(options: argparse.Namespace) -> dict[str, LearningCurves]:
    """Return the tables that were asked for; the published curves if none was named.

    A file of splits counts the rows of a table before those without a final value are left out, which is
    printed.

    Raises
    ------
    ConfigurationError
        If two tables have the same name.
    """
    named = [named_table(text) for text in options.table]
    found = dict(named)
    if len(found) < len(named):
        raise ConfigurationError("--table: two tables have the same name")
    found = found or row_sets()
    for name, curves in found.items():
        part = curves
        if options.split is not None:
            part = curves.select(
                np.array(split_rows(options.split, options.part, len(curves)), dtype=np.int64)
            )
        found[name] = with_finals(part)
        told = describe_left_out_rows(found[name].left_out_rows, len(found[name]))
        if told:
            print(f"{name}: {told}", flush=True)
    return found


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two splits, 20 training curves")
    parser.add_argument("--splits", type=int, default=SPLITS, help="random splits by configuration")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument(
        "--table", action="append", default=[], metavar="NAME=FILE[:PREFIX[:MODE]]", help="repeatable"
    )
    parser.add_argument("--split", type=Path, metavar="FILE", help="use only one part of the rows")
    parser.add_argument("--part", choices=PARTS, default=PARTS[0], help="of the file of splits")
    parser.add_argument("--against", metavar="COMMIT", help="also time `predictors evaluate` of that commit")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = arguments()
    splits = QUICK_SPLITS if options.quick else options.splits
    try:
        if splits < 1:
            raise ConfigurationError(f"--splits {splits}: at least 1")
        found: dict[str, Any] = {"splits": splits, "candidates": CANDIDATES}
        sets = tables(options)
        found |= compare_sets(sets, TRAIN[:1] if options.quick else TRAIN, splits)
        if options.against:
            curves, rounds = list(sets.values())[-1], 1 if options.quick else 5
            found["against"] = {"evaluate": evaluation_ratio(options.against, curves, splits, rounds)}
            print(f"against {options.against}: {found['against']}", flush=True)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
