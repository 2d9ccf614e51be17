"""The report of a benchmark in the schema of HEP-Workloads, and what makes its score trustworthy."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import read_json, write_json

REPORT_FILE = "mlpf-bmk_summary.json"
"""Where HEPscore looks for the report of a benchmark whose key is ``mlpf-bmk``."""

CONTAINMENT_VARIABLE = "MLPF_HPO_CONTAINMENT"
"""Set by the container image; without it the benchmark runs uncontained."""


def scores(rates: Sequence[float], score: str) -> dict[str, Any]:
    """Return score and statistics of the copies' rates (events/s); zeros when no copy is left.

    The score, under the key `score`, is their sum.

    Examples
    --------
    >>> scores([10.0, 12.0], "mlpf-train-cpu")["wl-scores"]
    {'mlpf-train-cpu': 22.0}
    """
    stats = {"avg": 0.0, "median": 0.0, "min": 0.0, "max": 0.0, "count": len(rates)}
    if rates:
        stats |= {
            "avg": statistics.fmean(rates),
            "median": statistics.median(rates),
            "min": min(rates),
            "max": max(rates),
        }
    return {"wl-scores": {score: float(sum(rates))}, "wl-stats": {score: stats}}


def app_info(data_checksum: str, description: str) -> dict[str, str]:
    """Return the part of the report that identifies the benchmark."""
    return {
        "version": f"v{version('mlpf_hpo')}",
        "description": description,
        "cvmfs_checksum": "",
        "bmkdata_checksum": data_checksum,
        "bmk_checksum": _code_checksum(),
        "containment": os.environ.get(CONTAINMENT_VARIABLE, "none"),
    }


def write_report(folder: Path, report: dict[str, Any], inputs: dict[str, Any]) -> Path:
    """Check a report against its schema and write it, with inputs.log and version.json beside it.

    Raises
    ------
    DataError
        If the report is not of the schema.
    """
    path = folder / REPORT_FILE
    _check(report, "benchmark report")
    write_json(path, report)
    write_json(folder / "version.json", report["app"])
    write_json(folder / "inputs.log", inputs)
    return path


def read_report(path: Path) -> dict[str, Any]:
    """Read the report of any workload of HEP-Workloads, this one or another.

    Raises
    ------
    MissingInputError
        If it is not there.
    DataError
        If it is not of the schema.
    """
    report: dict[str, Any] = read_json(path, "benchmark", remedy="`mlpf-hpo benchmark` writes it")
    _check(report, str(path))
    return report


def _check(report: Any, what: str) -> None:
    """Refuse what is not of the schema: that of HEP-Workloads, and of what this workload adds."""
    schema = json.loads(files("mlpf_hpo.workload").joinpath("report.schema.json").read_text(encoding="utf-8"))
    try:
        jsonschema.validate(report, schema)
    except jsonschema.ValidationError as error:
        raise DataError(f"{what}: {error.json_path}: {error.message}") from None


def _code_checksum() -> str:
    """Return a digest of this package's code, which distinguishes scores of different versions."""
    digest = hashlib.sha256()
    root = Path(str(files("mlpf_hpo")))
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".py", ".c", ".h")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
