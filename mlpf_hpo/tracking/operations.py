"""What is written to MLflow, as data: it can be sent now, or kept in a file and sent later."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

STATUS = "trial_status"
"""Tag of a run's status, one of `delivery.MLFLOW_STATUS`, or "running"."""


@dataclass(frozen=True)
class OpenRun:
    """Make a run, or open it again if it is there.

    Attributes
    ----------
    run : str
        Stand-in for the run's id, by which later operations name it until MLflow has given it one.
    label : str
        What people call it: a trial's id.
    kind : str
        The experiment: "campaign", "search", "reference", "predictors" or "benchmark".
    identity : mapping
        Tags that no other run of the experiment has together: by them it is found.
    name : str
        Its name in the UI.
    tags, params : mapping
        What is logged; params that are on record are left as they are.
    digest, source : str or None
        The data set, as an input of the run.
    moment_ms : int
        When it was opened, ms since 1970.
    """

    run: str
    label: str
    kind: str
    identity: Mapping[str, str]
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    digest: str | None
    source: str | None
    moment_ms: int

    def told(self) -> str:
        """Return what this is, for people."""
        return f"the run of {self.label}"


def opening_of(
    kind: str,
    label: str,
    identity: Mapping[str, str],
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    digest: str | None,
    dataset_path: Path | None,
    moment_ms: int,
) -> OpenRun:
    """Return the opening of a run; values are written as MLflow keeps them, as text."""
    return OpenRun(
        run="/".join(identity.values()),
        label=label,
        kind=kind,
        identity=identity,
        name=name,
        tags={key: str(value) for key, value in {**tags, **identity, STATUS: "running"}.items()},
        params={key: str(value) for key, value in params.items()},
        digest=digest,
        source=str(dataset_path) if dataset_path else None,
        moment_ms=moment_ms,
    )


@dataclass(frozen=True)
class LogMetrics:
    """Log all metrics of an epoch, or of a whole run.

    Attributes
    ----------
    run, label : str
        The run's id or its stand-in, and what people call it.
    epoch : int
        Number of the epoch, from 1; 0 for numbers of the whole run.
    metrics : mapping
        Metric name -> value.
    moment_ms : int
        When it was measured, ms since 1970.
    """

    run: str
    label: str
    epoch: int
    metrics: Mapping[str, float]
    moment_ms: int

    def told(self) -> str:
        """Return what this is, for people."""
        return f"epoch {self.epoch} of {self.label}" if self.epoch else f"the summary of {self.label}"


@dataclass(frozen=True)
class LogSeries:
    """Log one metric of a run at many steps.

    Attributes
    ----------
    run, label : str
        The run's id or its stand-in, and what people call it.
    metric : str
        Its name.
    points : sequence of (step, value, moment in ms since 1970)
        By step; values are finite.
    """

    run: str
    label: str
    metric: str
    points: Sequence[tuple[int, float, int]]

    def told(self) -> str:
        """Return what this is, for people."""
        return f"{self.metric} of {self.label}"


@dataclass(frozen=True)
class CloseRun:
    """End a run.

    Attributes
    ----------
    run, label : str
        The run's id or its stand-in, and what people call it.
    status : str
        One of ours, see `delivery.MLFLOW_STATUS`.
    tags : mapping
        What is to be told about the end.
    moment_ms : int
        When it ended, ms since 1970.
    """

    run: str
    label: str
    status: str
    tags: Mapping[str, str]
    moment_ms: int

    def told(self) -> str:
        """Return what this is, for people."""
        return f"the end of {self.label} ({self.status})"


Operation: TypeAlias = OpenRun | LogMetrics | LogSeries | CloseRun

NAMES: dict[str, type[Operation]] = {
    "open": OpenRun,
    "log": LogMetrics,
    "series": LogSeries,
    "close": CloseRun,
}


def to_json(operation: Operation) -> dict[str, Any]:
    """Return an operation as strict JSON can hold it: NaN and infinities as words."""
    (name,) = (name for name, kind in NAMES.items() if isinstance(operation, kind))
    content = dataclasses.asdict(operation)
    if isinstance(operation, LogMetrics):
        content["metrics"] = {
            key: value if math.isfinite(value) else str(value) for key, value in operation.metrics.items()
        }
    return {"do": name, **content}


def from_json(content: Any) -> Operation:
    """Return the operation that `to_json` wrote.

    Raises
    ------
    ValueError
        If it wrote none such.
    """
    try:
        rest = {key: value for key, value in content.items() if key != "do"}
        if content["do"] == "log":
            rest["metrics"] = {key: float(value) for key, value in rest["metrics"].items()}
        if content["do"] == "series":
            rest["points"] = [(step, value, moment) for step, value, moment in rest["points"]]
        return NAMES[content["do"]](**rest)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an operation: {error!r}") from None


def summary(operations: Iterable[Operation]) -> str:
    """Return what operations hold, for people.

    Examples
    --------
    >>> epochs = [LogMetrics("r", "t003", epoch, {}, 0) for epoch in (4, 5)]
    >>> summary([*epochs, CloseRun("r", "t003", "finished", {}, 0)])
    '2 epochs of 1 run (t003: 4-5) and 1 other entry'
    """
    epochs: dict[str, list[int]] = defaultdict(list)
    others = 0
    for operation in operations:
        if isinstance(operation, LogMetrics) and operation.epoch:
            epochs[operation.label].append(operation.epoch)
        else:
            others += 1
    parts = []
    if epochs:
        n = sum(len(found) for found in epochs.values())
        ranges = ", ".join(f"{label}: {_range(found)}" for label, found in sorted(epochs.items()))
        parts.append(f"{_count(n, 'epoch')} of {_count(len(epochs), 'run')} ({ranges})")
    if others:
        parts.append(_count(others, "other entry", "other entries"))
    return " and ".join(parts) or "nothing"


def _range(epochs: list[int]) -> str:
    first, last = min(epochs), max(epochs)
    return str(first) if first == last else f"{first}-{last}"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
