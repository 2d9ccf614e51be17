"""The journal of a search: every result in the order in which the policy heard it, and what was decided.

MLflow holds the curves; this file holds their order across trials, on which the decisions of asynchronous
policies depend. After a restart the policy is rebuilt by telling it the same again.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import DataError
from mlpf_hpo.files import storage_error
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.search.scheduler import Decision, Stop
from mlpf_hpo.target_metric import VALIDATION_LOSS


@dataclass(frozen=True)
class JournalEntry:
    """One epoch of one trial.

    Attributes
    ----------
    key : str
        The trial's key.
    epoch : int
        Number of epochs completed.
    value : float
        The target metric; NaN where the trial diverged.
    decision : Decision
        What the policy decided.
    stop : Stop or None
        Why, if it stopped the trial.
    """

    key: str
    epoch: int
    value: float
    decision: Decision
    stop: Stop | None = None


class Journal:
    """A file of JSON lines that is only ever appended to; a line torn by a kill is dropped.

    Parameters
    ----------
    path : path
        The file; it is made by the first `append`.
    metric : str
        The target metric. Results of another one, from before the target was changed, are passed over.
    """

    def __init__(self, path: Path, metric: str = VALIDATION_LOSS.metric) -> None:
        self.path = path
        self.metric = metric

    def entries(self) -> Iterator[JournalEntry]:
        """Yield what is on record.

        Raises
        ------
        DataError
            If a line cannot be read; the message names it.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            with self.path.open("r+b") as file:
                file.truncate(len(content) - len(torn))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                if entry.get("metric", VALIDATION_LOSS.metric) == self.metric:
                    yield _parse(entry)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"{self.path}, line {number}: not an entry of a journal ({error!r}); move the file away "
                    "to begin this search's decisions anew"
                ) from None

    def append(self, entry: JournalEntry) -> None:
        """Write one entry, whole or not at all.

        Raises
        ------
        StorageError
            If the file system refuses; the message names the file.
        """
        line = {
            "metric": self.metric,
            "key": entry.key,
            "epoch": entry.epoch,
            "value": _json(entry.value),
            "decision": entry.decision.value,
            "stop": None if entry.stop is None else _stop_record(entry.stop),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(json.dumps(line, allow_nan=False).encode() + b"\n")
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _append(self, line: bytes) -> None:
        # Without a buffer: a disk that fills up takes a part and says so, and that part goes again.
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            if file.write(line) != len(line):
                file.truncate(before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _stop_record(stop: Stop) -> dict[str, Any]:
    content = asdict(stop)
    content["value"] = _json(stop.value)
    if stop.prediction is not None:
        content["prediction"] = {
            name: _json(value if isinstance(value, float) else float(value[0]))
            for name, value in content["prediction"].items()
        }
    return content


def _parse(line: dict[str, Any]) -> JournalEntry:
    stop = line["stop"]
    if stop is not None:
        predicted = stop["prediction"]
        if predicted is not None:
            mean, lower, upper = (np.array([_number(predicted[name])]) for name in ("mean", "lower", "upper"))
            predicted = Prediction(mean, lower, upper, coverage=predicted["coverage"])
        stop = Stop(**{**stop, "value": _number(stop["value"]), "prediction": predicted})
    decision = Decision(line["decision"])
    return JournalEntry(str(line["key"]), int(line["epoch"]), _number(line["value"]), decision, stop)


def _json(value: float) -> float | str:
    """Return what strict JSON can hold."""
    return value if math.isfinite(value) else str(value)


def _number(value: float | str) -> float:
    return float(value)
