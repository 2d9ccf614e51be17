"""What the pages that are made of a benchmark's numbers have in common."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, MissingInputError


def page_command(doc: str | None, out: str, earlier: bool = False) -> argparse.Namespace:
    """Return what the command line asks for: `results`, and `out`, by default the given file.

    Parameters
    ----------
    doc : str or None
        The module's docstring, shown by ``--help`` as it is.
    out : str
        Where the page stands in this project.
    earlier : bool
        Whether there is an option for earlier numbers, `before`.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, metavar="RESULTS.json")
    if earlier:
        parser.add_argument("--before", type=Path, metavar="EARLIER.json", help="numbers to show beside")
    parser.add_argument("--out", type=Path, default=Path(out), metavar="FILE")
    return parser.parse_args()


def read_json(path: Path, again: str) -> Any:
    """Return what a file of JSON holds.

    Parameters
    ----------
    path : Path
    again : str
        How to get such a file, for who has none.

    Raises
    ------
    MissingInputError, DataError
        If it is not there, or is not such a file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(f"{path}: not there; {again}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a file of JSON: {error}; {again}") from None


def table(head: str, rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, rule, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
