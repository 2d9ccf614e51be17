"""Readers of learning curves by name, one file per format; installed packages add others.

An entry point of `mlpf_hpo.curve_readers` names a function with the signature of `csv_table.import_csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mlpf_hpo.curves.readers.csv_table import import_csv
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.extensions import Registry


class CurveReader(Protocol):
    """A function that reads learning curves from a file; it has the arguments of `import_csv`."""

    def __call__(
        self,
        path: Path,
        hyperparameters: Sequence[str] | None,
        loss_prefix: str,
        name: str,
        mode: str | None = None,
    ) -> LearningCurves:
        """Return the curves in a file or folder.

        Raises
        ------
        MlpfHpoError
            If there is no such file, or its content cannot be used.
        """


READERS: Registry[CurveReader] = Registry("mlpf_hpo.curve_readers", "curve reader", {"csv": import_csv})
"""Curve readers, by the name of the format."""
