"""A validation result: its table, confusion matrices and distributions, in memory and as files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlpf_hpo.errors import DataError
from mlpf_hpo.evaluation.intervals import Estimate
from mlpf_hpo.evaluation.table import Cell, Row
from mlpf_hpo.files import read_json, write_json, write_text
from mlpf_hpo.remedies import make_again

VERSION = 1

ESTIMATES = ("mlpf", "ycand", "difference", "ratio")


@dataclass(frozen=True)
class ValidationResult:
    """What there is to say of a network's reconstruction of a sample.

    Attributes
    ----------
    rows : list of Row
        The table.
    confusion : mapping
        Reconstruction -> "all", "track", "tower" -> counts [6][6] by true class and class said.
    distributions : mapping
        Name -> "edges", and counts per bin of each reconstruction; the outermost bins hold what is beyond.
    about : mapping
        Input of the validation: sample, network, number of resamples.
    """

    rows: list[Row]
    confusion: dict[str, Any]
    distributions: dict[str, Any]
    about: dict[str, Any]

    def find(self, quantity: str, of: str, variable: str = "all", elements: str = "all") -> list[Row]:
        """Return the rows of a quantity, in the order of their ranges."""
        return [
            row
            for row in self.rows
            if (row.quantity, row.of, row.cell.variable, row.elements) == (quantity, of, variable, elements)
        ]

    def write(self, folder: Path) -> None:
        """Write validation_result.json, whole, and table.csv, for people, into a folder."""
        content = {
            "version": VERSION,
            "about": self.about,
            "rows": [_plain(row) for row in self.rows],
            "confusion": self.confusion,
            "distributions": self.distributions,
        }
        write_json(folder / "validation_result.json", content)
        write_text(folder / "table.csv", pd.DataFrame(map(_flat, self.rows)).to_csv(index=False))

    @staticmethod
    def read(folder: Path) -> ValidationResult:
        """Read what `write` wrote.

        Raises
        ------
        MissingInputError, DataError
            If it is not there, or not a validation result of this version.
        """
        file = folder / "validation_result.json"
        content = read_json(file, "physics")
        if not isinstance(content, dict) or content.get("version") != VERSION:
            again = make_again("physics", file)
            raise DataError(f"{file}: not a validation result of version {VERSION}; {again} makes one")
        return ValidationResult(
            [_row(plain) for plain in content["rows"]],
            content["confusion"],
            content["distributions"],
            content["about"],
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON values; what is not finite becomes None."""
    return {
        "quantity": row.quantity,
        "of": row.of,
        "elements": row.elements,
        "cell": [row.cell.variable, _finite(row.cell.low), _finite(row.cell.high)],
        "n": [row.n_mlpf, row.n_ycand],
        "truth": _finite(row.truth),
        **{name: [_finite(value) for value in getattr(row, name)] for name in ESTIMATES},
    }


def _row(plain: Mapping[str, Any]) -> Row:
    variable, low, high = plain["cell"]
    return Row(
        quantity=plain["quantity"],
        of=plain["of"],
        elements=plain["elements"],
        cell=Cell(variable, -math.inf if low is None else low, math.inf if high is None else high),
        n_mlpf=plain["n"][0],
        n_ycand=plain["n"][1],
        truth=_number(plain["truth"]),
        **{name: Estimate(*(_number(value) for value in plain[name])) for name in ESTIMATES},
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _flat(row: Row) -> dict[str, Any]:
    """Return a row as columns of a table; empty where there is nothing to say."""
    out: dict[str, Any] = {
        "quantity": row.quantity,
        "of": row.of,
        "elements": row.elements,
        "variable": row.cell.variable,
        "low": _finite(row.cell.low),
        "high": _finite(row.cell.high),
        "n_mlpf": row.n_mlpf,
        "n_ycand": row.n_ycand,
        "truth": _finite(row.truth),
    }
    for name in ESTIMATES:
        for part, value in getattr(row, name)._asdict().items():
            out[name if part == "value" else f"{name}_{part}"] = _finite(value)
    return out
