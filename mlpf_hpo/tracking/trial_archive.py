"""One compressed file for each finished trial: what a new checkout needs to go on without training it again.

The files may be committed to git, or copied: a campaign that finds them puts the trials on record as if this
machine had trained them. Journals stay the record of what happened on one machine, see decision 22.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.files import is_sealed, sealed, write_bytes
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.tracking.host_records import joined_tags
from mlpf_hpo.tracking.journal_entries import CloseRun, Entry, LogMetrics, OpenRun, from_json, to_json
from mlpf_hpo.tracking.records import configuration_of

SUFFIX = ".json.xz"

KEPT = ("finished", "diverged")
"""Statuses of trials that are kept: no training changes them any more."""


@dataclass(frozen=True)
class ArchivedTrial:
    """All that is on record of a trial.

    Attributes
    ----------
    opening : OpenRun
        Identity, hyperparameters, seed, data set and machine.
    epochs : tuple of LogMetrics
        The metrics of each epoch, from the first.
    end : CloseRun
        Its status.
    """

    opening: OpenRun
    epochs: tuple[LogMetrics, ...]
    end: CloseRun

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The trial as a journal has it."""
        return (self.opening, *self.epochs, self.end)

    def summary(self) -> TrialSummary:
        """Return the trial as it is read back from MLflow; its run goes by its name within journals."""
        params, tags = self.opening.params, self.opening.tags
        names = sorted({name for entry in self.epochs for name in entry.metrics})
        return TrialSummary(
            trial_id=self.opening.label,
            trial_key=self.opening.identity["trial_key"],
            run_id=self.opening.run,
            configuration=configuration_of(params),
            seed=int(params["seed"]),
            status=self.end.status,
            metrics={
                name: tuple(entry.metrics.get(name, math.nan) for entry in self.epochs) for name in names
            },
            hardware_label=tags.get("hardware_label", ""),
            timestamps=tuple(entry.moment_ms / 1000 for entry in self.epochs),
            reason=self.end.tags.get("reason", ""),
        )


class TrialArchive:
    """A folder with one compressed file for each finished trial of a campaign.

    Parameters
    ----------
    folder : Path
        Made by the first `keep`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trials(self) -> list[ArchivedTrial]:
        """Return all trials, by trial id.

        Raises
        ------
        MissingInputError
            If there is no such folder.
        DataError
            If a file is damaged or something else, or files belong to several campaigns.
        """
        if not self.folder.is_dir():
            raise MissingInputError(f"{self.folder}: no such folder of finished trials (campaign.archive)")
        found = [_read(path) for path in sorted(self.folder.glob(f"*{SUFFIX}"))]
        of_first = {trial.opening.identity["campaign_id"]: trial for trial in reversed(found)}
        if len(of_first) > 1:
            labels = ", ".join(f"{one.opening.label} of campaign {name}" for name, one in of_first.items())
            raise DataError(f"{self.folder}: trials of several campaigns: {labels}; keep those of one")
        return sorted(found, key=lambda trial: trial.opening.label)

    def of_campaign(self, campaign_id: str) -> list[ArchivedTrial]:
        """Return all trials, none if there is no folder yet.

        Raises
        ------
        DataError
            As `trials` does, or if they belong to another campaign.
        """
        found = self.trials() if self.folder.is_dir() else []
        for trial in found[:1]:
            theirs = trial.opening.identity["campaign_id"]
            if theirs != campaign_id:
                raise DataError(
                    f"{self.folder}: holds trials of campaign {theirs}, this one is {campaign_id}: other "
                    "events, space, seed or training; name another folder in campaign.archive"
                )
        return found

    def lacks(self, trial_id: str, trial_key: str) -> bool:
        """Tell whether there is no file of a trial."""
        return not self._file(trial_id, trial_key).exists()

    def keep(self, entries: Iterable[Entry]) -> Path | None:
        """Write the file of one trial from its journal's entries; None if it has not ended for good."""
        trial = _assembled(entries)
        if trial is None:
            return None
        path = self._file(trial.opening.label, trial.opening.identity["trial_key"])
        write_bytes(path, lzma.compress(_to_text(trial).encode(), preset=9))
        return path

    def _file(self, trial_id: str, trial_key: str) -> Path:
        return self.folder / f"{trial_id}-{trial_key}{SUFFIX}"


def _assembled(entries: Iterable[Entry]) -> ArchivedTrial | None:
    """Return what became of a trial: its opening with its machines, each epoch as logged first, its end."""
    opening: OpenRun | None = None
    epochs: dict[int, LogMetrics] = {}
    end: CloseRun | None = None
    for entry in entries:
        if isinstance(entry, OpenRun):
            opening = _opened_again(opening, entry, bool(epochs)) if opening else entry
        elif isinstance(entry, CloseRun):
            end = entry
        elif entry.epoch:
            epochs.setdefault(entry.epoch, dataclasses.replace(entry, result=None))
    if opening is None or end is None or end.status not in KEPT or sorted(epochs) != _counted(len(epochs)):
        return None
    # Where the events lay is this machine's affair.
    opening = dataclasses.replace(opening, source=None)
    return ArchivedTrial(opening, tuple(epochs[epoch] for epoch in sorted(epochs)), end)


def _opened_again(first: OpenRun, now: OpenRun, goes_on: bool) -> OpenRun:
    """Return a trial's opening with what is said of its machine when it is known, or is another one."""
    tags = joined_tags(first.tags, now.tags) if goes_on else dict(now.tags)
    return dataclasses.replace(first, tags={**first.tags, **tags}, host=now.host or first.host)


def _counted(n: int) -> list[int]:
    return list(range(1, n + 1))


def _to_text(trial: ArchivedTrial) -> str:
    """Return a trial as sealed JSON; a column for each metric, which compresses best."""
    written = [to_json(entry) for entry in trial.epochs]
    names = sorted({name for entry in written for name in entry["metrics"]})
    return json.dumps(
        sealed(
            {
                "opening": to_json(trial.opening),
                "moments_ms": [entry["moment_ms"] for entry in written],
                "metrics": {name: [entry["metrics"].get(name) for entry in written] for name in names},
                "end": to_json(trial.end),
            }
        ),
        separators=(",", ":"),
        allow_nan=False,
    )


def _read(path: Path) -> ArchivedTrial:
    try:
        content = json.loads(lzma.decompress(path.read_bytes()))
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"{path}: damaged, or not the file of a trial: {error}; {_REMEDY}") from None
    if not is_sealed(content):
        raise DataError(f"{path}: damaged: its digest is not that of its content; {_REMEDY}")
    try:
        opening, end = from_json(content["opening"]), from_json(content["end"])
        epochs = tuple(_epochs(content, opening.run, str(opening.label)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not the file of a trial: {error!r}; {_REMEDY}") from None
    if not isinstance(opening, OpenRun) or not isinstance(end, CloseRun):
        raise DataError(f"{path}: not the file of a trial; {_REMEDY}")
    return ArchivedTrial(opening, epochs, end)


_REMEDY = "take it from where it was copied or committed, or remove it: the trial is then trained again"


def _epochs(content: Any, run: str, label: str) -> Iterator[LogMetrics]:
    for i, moment_ms in enumerate(content["moments_ms"]):
        metrics = {
            name: float(column[i]) for name, column in content["metrics"].items() if column[i] is not None
        }
        yield LogMetrics(run, label, i + 1, metrics, moment_ms)
