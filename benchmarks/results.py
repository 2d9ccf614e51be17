"""What `benchmarks.training` has written, read back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pages import read_json
from mlpf_hpo.errors import DataError

AGAIN = "measure with: python -m benchmarks.training --json FILE"

MACHINE = {
    **dict.fromkeys(("hardware_label", "cpu_model", "system"), str),
    **dict.fromkeys(("usable_cpus", "memory_bytes"), int),
    "gpus": list,
    "versions": dict,
}
"""What must be told of a machine, and how."""


@dataclass(frozen=True)
class Results:
    """Numbers of a benchmark and what they were measured on.

    Attributes
    ----------
    source : Path
        File that they stand in.
    machine : mapping
        `HostInfo.record`.
    quick : bool
        Whether they were measured with ``--quick``.
    commit : str or None
        What it was measured against by ``--against``.
    numbers : mapping
        Name -> number.
    """

    source: Path
    machine: dict[str, Any]
    quick: bool
    commit: str | None
    numbers: dict[str, float]

    def __getitem__(self, name: str) -> float:
        """Return a number.

        Raises
        ------
        DataError
            If it was not measured.
        """
        self.require([name])
        return self.numbers[name]

    def require(self, names: Iterable[str]) -> None:
        """Refuse results in which some of these numbers are not.

        Raises
        ------
        DataError
            Which names the missing ones.
        """
        if missing := sorted(set(names) - set(self.numbers)):
            raise DataError(f"{self.source}: no {', '.join(missing)}: not all parts were measured; {AGAIN}")


def read_results(path: Path) -> Results:
    """Read the JSON that ``benchmarks.training --json`` wrote.

    Raises
    ------
    MissingInputError, DataError
        If it is not there, or is not such a file.
    """
    content = read_json(path, AGAIN)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not an object; {AGAIN}")
    machine, quick = content.pop("machine", None), content.pop("quick", None)
    commit = content.pop("commit", None)
    told = machine if isinstance(machine, dict) else {}
    if unknown := [name for name, kind in MACHINE.items() if not isinstance(told.get(name), kind)]:
        raise DataError(f"{path}: does not tell of the machine: {', '.join(unknown)}; {AGAIN}")
    if not isinstance(quick, bool):
        raise DataError(f"{path}: does not tell whether it was measured with --quick; {AGAIN}")
    for name, value in content.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise DataError(f"{path}: {name} is {value!r}, not a number; {AGAIN}")
    return Results(path, told, quick, commit if isinstance(commit, str) else None, content)
