"""Split tables of learning curves into a design half and a final half, by configuration.

``python -m benchmarks.splits [--table NAME=FILE[:PREFIX[:MODE]]]... [--out FOLDER]`` writes FOLDER/NAME.json,
``{"design": [row, ...], "final": [row, ...]}``, for each table, and for the published curves, clean rows only
(`MLPF_HPO_REFERENCE_DIR`), and the curves of `benchmarks.other_tasks` where none is named. Rows are those of
the file, from 0, without empty ones. The rows of one configuration stay together. A file that is there is
never replaced: schedulers are designed on the one half, and measured once on the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.other_tasks import TASKS, TRIALS
from benchmarks.tables import MLPF, TABLE_FORM, clean_rows, named_tables, published_curves
from mlpf_hpo.curves.split_file import PARTS, draw_halves
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.seeds import derive_seed

FOLDER = Path(__file__).parent / "splits"
SEED = 20261129


def split_of(
    name: str, groups: NDArray[np.str_], rows: NDArray[np.int64] | None = None
) -> dict[str, list[int]]:
    """Return the rows of both halves of a table.

    Parameters
    ----------
    name : str
        Of the table: it seeds the split.
    groups : array [n]
        Configuration of each row.
    rows : array of int, optional
        The rows to be split; all by default.
    """
    rows = np.arange(len(groups)) if rows is None else rows
    halves = draw_halves(groups[rows], derive_seed(SEED, "halves", name))
    return {part: rows[half].tolist() for part, half in halves.items()}


def own_splits() -> dict[str, dict[str, list[int]]]:
    """Return the splits of the published curves and of those that `benchmarks.other_tasks` makes."""
    curves = published_curves()
    trials = np.array([f"{trial:03}" for trial in range(TRIALS)])
    return {
        MLPF: split_of(MLPF, curves.groups, clean_rows(curves)),
        **{name: split_of(name, trials) for name in TASKS},
    }


def main() -> None:
    """Write the files that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="append", default=[], metavar=TABLE_FORM, help="repeatable")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER")
    options = parser.parse_args()
    try:
        named = named_tables(options.table)
        splits = {name: split_of(name, curves.groups) for name, curves in named.items()} or own_splits()
        for name, split in splits.items():
            file = options.out / f"{name}.json"
            if file.exists():
                print(f"{file}: is there, and stays")
                continue
            write_json(file, split)
            print(f"{file}: {', '.join(f'{len(split[part])} {part}' for part in PARTS)}")
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
