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

from benchmarks.against import evaluation_ratio
from benchmarks.selected import CANDIDATES, TRAIN, compare_sets
from benchmarks.tables import TABLE_FORM, named_tables, row_sets
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.split_file import PARTS, split_rows
from mlpf_hpo.curves.target_epochs import with_finals
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.files import write_json

SPLITS, QUICK_SPLITS = 100, 2


def tables(options: argparse.Namespace) -> dict[str, LearningCurves]:
    """Return the tables that were asked for; the published curves if none was named.

    A file of splits counts the rows of a table before those without a final value are left out, which is
    printed.
    """
    found = named_tables(options.table) or row_sets()
    for name, curves in found.items():
        part = curves
        if options.split is not None:
            part = curves.select(split_rows(options.split, options.part, curves.groups))
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
    parser.add_argument("--table", action="append", default=[], metavar=TABLE_FORM, help="repeatable")
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
            timed = evaluation_ratio(options.against, curves, splits, rounds)
            found["against"] = {"commit": options.against, "evaluate": timed}
            print(f"against {options.against}: {found['against']}", flush=True)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
