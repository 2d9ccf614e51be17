"""The metrics of all epochs of a run in one file among its artifacts, for who reads them through a server.

A server makes an object and a line of JSON of each point; a file it gives as it is. The file is a copy: what
MLflow has on record decides, and a file that is not of the run's last epoch, or is damaged or gone, is not
used. A tag of the run has its checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import http_request

from mlpf_hpo.tracking.epoch_metrics import is_per_epoch
from mlpf_hpo.tracking.journal_entries import LogMetrics, finite_or_word

FILE, CHECKSUM = "metrics/epochs.json", "metrics_sha256"
"""Artifact path, and the tag of the run that has the file."""

WORTH = 100
"""Points; fewer a server gives as soon as it gives a file."""

ARTIFACT = "/get-artifact"
"""Where a server answers with a run's file, as it does to its own interface, wherever it keeps files."""

OK = 200


@dataclass(frozen=True)
class EpochColumns:
    """Metrics of the epochs of a run.

    Attributes
    ----------
    epochs, moments_ms : tuple of int
        Numbers of the epochs, and when each was logged, ms since 1970.
    metrics : mapping of str to tuple of float or None
        Of each metric one value per epoch; None where it was not logged.
    """

    epochs: tuple[int, ...]
    moments_ms: tuple[int, ...]
    metrics: Mapping[str, tuple[float | None, ...]]

    @property
    def points(self) -> int:
        """How many values there are at most."""
        return len(self.epochs) * len(self.metrics)

    def of(self, name: str) -> tuple[tuple[int, ...], tuple[float, ...], tuple[int, ...]]:
        """Return steps, values and moments of a metric."""
        values = self.metrics[name]
        if None not in values:
            return self.epochs, values, self.moments_ms  # type: ignore[return-value]
        points = zip(self.epochs, values, self.moments_ms, strict=True)
        kept = [(epoch, value, moment) for epoch, value, moment in points if value is not None]
        return tuple(zip(*kept, strict=True))  # type: ignore[return-value]

    def to_bytes(self) -> bytes:
        """Return them as strict JSON, NaN and infinities as words."""
        metrics = {
            name: [None if value is None else finite_or_word(value) for value in values]
            for name, values in self.metrics.items()
        }
        content = {"epochs": self.epochs, "moments_ms": self.moments_ms, "metrics": metrics}
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> EpochColumns:
        """Return what `to_bytes` wrote."""
        read = json.loads(content)
        metrics = {name: tuple(map(_number, values)) for name, values in read["metrics"].items()}
        return cls(tuple(read["epochs"]), tuple(read["moments_ms"]), metrics)


def columns_of(entries: Iterable[LogMetrics]) -> EpochColumns:
    """Return the metrics of epochs, by epoch; each as it was logged first.

    Examples
    --------
    >>> logged = [LogMetrics("run", "t000", epoch, {"val/loss": 1 / epoch}, 1000 * epoch) for epoch in (1, 2)]
    >>> columns_of(logged).of("val/loss")
    ((1, 2), (1.0, 0.5), (1000, 2000))
    """
    first: dict[int, LogMetrics] = {}
    for entry in entries:
        first.setdefault(entry.epoch, entry)
    logged = [first[epoch] for epoch in sorted(first)]
    names = sorted({name for entry in logged for name in entry.metrics})
    return EpochColumns(
        tuple(entry.epoch for entry in logged),
        tuple(entry.moment_ms for entry in logged),
        {name: tuple(entry.metrics.get(name) for entry in logged) for name in names},
    )


def checksum(content: bytes) -> str:
    """Return what the tag says of a file's content."""
    return hashlib.sha256(content).hexdigest()


def has_history_file(run: Run, names: Collection[str]) -> bool:
    """Tell whether a run has a file, and it is the sooner way to some of its metrics."""
    return CHECKSUM in run.data.tags and sum(step for step, _ in _latest(run, names).values()) > WORTH


def fetch_history(store: RestStore, run: Run) -> EpochColumns | None:
    """Return the metrics in the file of a run; None if it cannot be had, is damaged, or the run went on."""
    question = {"run_uuid": run.info.run_id, "path": FILE}
    try:
        # Not tried again: a file that is gone is a server error, and what it held is on record as well.
        answer = http_request(store.get_host_creds(), ARTIFACT, "GET", params=question, max_retries=0)
    except MlflowException:
        return None
    if answer.status_code != OK or checksum(answer.content) != run.data.tags[CHECKSUM]:
        return None
    found = EpochColumns.from_bytes(answer.content)
    return found if _is_of(found, run) else None


def _is_of(found: EpochColumns, run: Run) -> bool:
    """Tell whether metrics are those that a run has, up to the last epoch of each."""
    latest = _latest(run, [name for name in run.data.metrics if is_per_epoch(name)])
    if latest.keys() != found.metrics.keys():
        return False
    for name, point in latest.items():
        steps, _, moments = found.of(name)
        if (steps[-1], moments[-1]) != point:
            return False
    return True


def _latest(run: Run, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return step and moment of the last point of some metrics."""
    points = run.data.to_proto().metrics  # `run.data.metrics` has neither
    return {point.key: (int(point.step), int(point.timestamp)) for point in points if point.key in names}


def _number(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, str) else value
