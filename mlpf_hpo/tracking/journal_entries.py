"""Entries of a journal as dataclasses and as JSON: a run is opened, metrics are logged, a run ends."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.scheduler import Decision, Result, Stop
from mlpf_hpo.target_metric import VALIDATION_LOSS

STATUS = "trial_status"
"""Tag of a run's status, one of `store_writes.MLFLOW_STATUS`, or "running"."""


@dataclass(frozen=True)
class OpenRun:
    """Make a run, or open it again if it is there.

    Attributes
    ----------
    run : str
        Name of the run within journals, whatever id a server gives it: its identity, joined.
    label : str
        What people call it: a trial's id.
    kind : str
        The experiment: "campaign", "search", "reference", "predictors" or "benchmark".
    identity : mapping
        Tags that no other run of the experiment has together: by them it is found.
    params : mapping
        Those that are on record are left as they are.
    digest, source : str or None
        The data set, as an input of the run.
    moment_ms : int
        When it was opened, ms since 1970.
    parent : str or None
        Name of its parent run.
    host : mapping or None
        Record of the machine that works on it: of a trial, the one that trains it from now on.
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
    parent: str | None = None
    host: Mapping[str, Any] | None = None

    def describe(self) -> str:
        """Return what this entry is, for people."""
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
    parent: str | None = None,
    host: Mapping[str, Any] | None = None,
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
        parent=parent,
        host=host,
    )


@dataclass(frozen=True)
class LogMetrics:
    """Log all metrics of an epoch, or of a whole run.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1; 0 for numbers of the whole run.
    moment_ms : int
        When they were measured, ms since 1970.
    result : Result or None
        What the scheduler saw and decided, where one did.
    """

    run: str
    label: str
    epoch: int
    metrics: Mapping[str, float]
    moment_ms: int
    result: Result | None = None

    def describe(self) -> str:
        """Return what this entry is, for people."""
        return f"epoch {self.epoch} of {self.label}" if self.epoch else f"the summary of {self.label}"


@dataclass(frozen=True)
class CloseRun:
    """End a run.

    Attributes
    ----------
    status : str
        One of ours, see `store_writes.MLFLOW_STATUS`.
    tags : mapping
        Further tags of the end, such as its reason.
    moment_ms : int
        When it ended, ms since 1970.
    """

    run: str
    label: str
    status: str
    tags: Mapping[str, str]
    moment_ms: int

    def describe(self) -> str:
        """Return what this entry is, for people."""
        return f"the end of {self.label} ({self.status})"


Entry: TypeAlias = OpenRun | LogMetrics | CloseRun

NAMES: dict[str, type[Entry]] = {"open": OpenRun, "log": LogMetrics, "close": CloseRun}


def to_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as strict JSON can hold it: NaN and infinities as words."""
    (name,) = (name for name, kind in NAMES.items() if isinstance(entry, kind))
    content = {key: value for key, value in vars(entry).items() if value is not None}
    if isinstance(entry, LogMetrics):
        content["metrics"] = {key: finite_or_word(value) for key, value in entry.metrics.items()}
        if entry.result is not None:
            content["result"] = _result_record(entry.result)
    elif isinstance(entry, OpenRun):
        content |= {"digest": entry.digest, "source": entry.source}
    return {"do": name, **content}


def from_json(content: Any) -> Entry:
    """Return the entry that `to_json` wrote, or the result that an earlier version kept alone.

    Raises
    ------
    ValueError
        If it wrote none such.
    """
    try:
        if "do" not in content:
            return LogMetrics(str(content["key"]), str(content["key"]), 0, {}, 0, _parse_result(content))
        rest = {key: value for key, value in content.items() if key != "do"}
        if content["do"] == "log":
            rest["metrics"] = {key: float(value) for key, value in rest["metrics"].items()}
            if "result" in rest:
                rest["result"] = _parse_result(rest["result"])
        return NAMES[content["do"]](**rest)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(repr(error)) from None


def _result_record(result: Result) -> dict[str, Any]:
    stop = None
    if result.stop is not None:
        stop = {**vars(result.stop), "value": finite_or_word(result.stop.value)}
        if result.stop.prediction is not None:
            predicted = dataclasses.asdict(result.stop.prediction)
            stop["prediction"] = {
                name: finite_or_word(value if isinstance(value, float) else float(value[0]))
                for name, value in predicted.items()
            }
    value, decision = finite_or_word(result.value), result.decision.value
    return {**vars(result), "value": value, "decision": decision, "stop": stop}


def _parse_result(content: Mapping[str, Any]) -> Result:
    stop = content["stop"]
    if stop is not None:
        predicted = stop["prediction"]
        if predicted is not None:
            mean, lower, upper = (np.array([float(predicted[name])]) for name in ("mean", "lower", "upper"))
            predicted = Prediction(mean, lower, upper, coverage=predicted["coverage"])
        stop = Stop(**{**stop, "value": float(stop["value"]), "prediction": predicted})
    return Result(
        str(content["key"]),
        int(content["epoch"]),
        content.get("metric", VALIDATION_LOSS.metric),
        float(content["value"]),
        Decision(content["decision"]),
        stop,
    )


def finite_or_word(value: float) -> float | str:
    """Return what strict JSON can hold."""
    return value if math.isfinite(value) else str(value)


def summary(entries: Iterable[Entry]) -> str:
    """Return what entries hold, for people.

    Examples
    --------
    >>> epochs = [LogMetrics("r", "t003", epoch, {}, 0) for epoch in (4, 5)]
    >>> summary([*epochs, CloseRun("r", "t003", "finished", {}, 0)])
    '2 epochs of 1 run (t003: 4-5) and 1 other entry'
    """
    epochs: dict[str, list[int]] = defaultdict(list)
    others = 0
    for entry in entries:
        if isinstance(entry, LogMetrics) and entry.epoch:
            epochs[entry.label].append(entry.epoch)
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
