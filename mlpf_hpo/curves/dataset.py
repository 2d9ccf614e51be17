"""Read and write the learning-curve data set as Parquet, with checksums and a data set card."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlpf_hpo.curves.card import dataset_card, format_card
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, MissingInputError, one_line
from mlpf_hpo.file_kind import NOT_TEXT, PARQUET, file_kind
from mlpf_hpo.files import write_bytes, write_json, write_text
from mlpf_hpo.remedies import make, make_again
from mlpf_hpo.target_metric import TargetMetric

METADATA, DIGEST = b"mlpf_hpo", b"mlpf_hpo.sha256"
"""Keys of our entries in the Parquet schema's metadata: what the table is, and a digest of that and of every
value."""

AGAIN = f"make it again with: {make_again('curves')} (or mlpf-hpo curves import)"
"""What to do about a file that cannot be used."""


def write_curves(curves: LearningCurves, path: Path, remarks: Mapping[str, str] | None = None) -> None:
    """Write curves as Parquet, and their card beside it as ``.card.json`` and ``.card.md``.

    Parameters
    ----------
    curves : LearningCurves
    path : Path
        Of the Parquet file.
    remarks : mapping of str to str, optional
        For the card, what only a person can say: heading -> text, see `card.REMARKS`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from mlpf_hpo import LearningCurves, TargetMetric, write_curves
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], [[3.0, 2.0], [4.0, 3.5]], target)
    >>> with TemporaryDirectory() as folder:
    ...     write_curves(curves, Path(folder) / "mine.parquet")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['mine.card.json', 'mine.card.md', 'mine.parquet']
    """
    card = dataset_card(curves, remarks)
    columns: dict[str, Any] = {name: curves.configs[name].to_numpy() for name in curves.configs.columns}
    for name in ("status", "restart_epoch", "duplicated", "truncated", "run_ids", "hardware"):
        columns[f"trial/{name}"] = getattr(curves, name)
    for name, values in curves.metrics.items():
        for epoch in range(curves.n_epochs):
            columns[f"metric/{name}/{epoch}"] = values[:, epoch]
    about = {
        "target": curves.metric,
        "mode": curves.mode,
        "source": curves.source,
        "configs": list(curves.configs.columns),
        "metrics": list(curves.metrics),
        "n_epochs": curves.n_epochs,
    }
    if curves.left_out:
        about["left_out"] = dict(curves.left_out)
    if curves.left_out_rows:
        about["left_out_rows"] = dict(curves.left_out_rows)
    if curves.data_digest:
        about["data_digest"] = curves.data_digest
    table, metadata = pa.table(columns), json.dumps(about)
    table = table.replace_schema_metadata({METADATA: metadata, DIGEST: _content_digest(table, metadata)})
    stream = io.BytesIO()
    pq.write_table(table, stream, write_page_checksum=True)
    write_bytes(path, stream.getvalue())
    name = path.name.removesuffix(".parquet")
    write_json(path.with_name(f"{name}.card.json"), card)
    write_text(path.with_name(f"{name}.card.md"), format_card(card))


def read_curves(path: Path) -> LearningCurves:
    """Read curves that `write_curves` wrote.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or it is damaged or something else.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from mlpf_hpo import LearningCurves, TargetMetric, read_curves, write_curves
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], [[3.0, 2.0], [4.0, 3.5]], target)
    >>> with TemporaryDirectory() as folder:
    ...     write_curves(curves, Path(folder) / "curves.parquet")
    ...     read_curves(Path(folder) / "curves.parquet").values.tolist()
    [[3.0, 2.0], [4.0, 3.5]]
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: not there; the stage `curves` makes it ({make('curves')})")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        entries = table.schema.metadata or {}
        metadata, digest = entries.get(METADATA), entries.get(DIGEST, b"").decode()
        whole = metadata is not None and digest == _content_digest(table, metadata.decode())
    except Exception as error:  # Arrow raises errors of many kinds for a damaged file
        kind = file_kind(path)
        foreign = kind in NOT_TEXT and kind != PARQUET
        reason = f"{kind}, not Parquet" if foreign else f"damaged, or no Parquet: {one_line(error)}"
        raise DataError(f"{path}: {reason}; {AGAIN}") from None
    if metadata is None:
        raise DataError(f"{path}: Parquet, but not a data set of curves; {AGAIN}")
    if not whole:
        raise DataError(f"{path}: damaged: its checksum is not that of its content; {AGAIN}")
    return _curves_of(table, json.loads(metadata))


def _curves_of(table: pa.Table, about: dict[str, Any]) -> LearningCurves:
    """Return the curves of a table whose content is what `write_curves` wrote."""
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return LearningCurves(
        configs=pd.DataFrame({name: columns[name] for name in about["configs"]}),
        metrics={
            name: np.stack([columns[f"metric/{name}/{e}"] for e in range(about["n_epochs"])], axis=1)
            for name in about["metrics"]
        },
        target=TargetMetric(about["target"], about["mode"]),
        status=columns["trial/status"].astype(str),
        restart_epoch=columns["trial/restart_epoch"].astype(np.int64),
        source=about["source"],
        run_ids=columns["trial/run_ids"].astype(str),
        hardware=columns["trial/hardware"].astype(str),
        left_out=about.get("left_out", {}),
        left_out_rows=about.get("left_out_rows", {}),
        data_digest=about.get("data_digest", ""),
    )


def _content_digest(table: pa.Table, metadata: str) -> str:
    """Return a digest of the metadata and of every column's name, type and values."""
    digest = hashlib.sha256(metadata.encode())
    for name in table.column_names:
        values = table[name].to_numpy()
        content = values.tobytes() if values.dtype != object else json.dumps(values.tolist()).encode()
        digest.update(json.dumps([name, str(values.dtype), len(content)]).encode() + content)
    return digest.hexdigest()


def curves_file_digest(path: Path) -> str:
    """Return the MD5 of a file, by which DVC identifies it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
