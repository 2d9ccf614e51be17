"""A campaign and its folder of finished trials brought up to date with each other, before it trains."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from mlpf_hpo.search.search_result import TrialOutcome
from mlpf_hpo.tracking.trial_archive import KEPT, ArchivedTrial, TrialArchive
from mlpf_hpo.tuning.driver import Recorder

log = logging.getLogger(__name__)


def take_over_trials(recorder: Recorder, archived: Sequence[ArchivedTrial]) -> None:
    """Put finished trials of other checkouts on record, and keep files of those that only the journal has.

    The latter were trained before the campaign had a folder, or by a process that was killed in between.
    """
    writer, archive = recorder.writer, recorder.archive
    if archive is None:
        return
    runs = writer.runs(recorder.campaign_id)
    longest = {trial.opening.run: len(trial.epochs) for trial in archived}
    for trial in archived:
        known = runs.get(trial.opening.run)
        if known is None or known.open or known.epochs < len(trial.epochs):
            path = recorder.specs[0].task.dataset_path
            here = dataclasses.replace(trial.opening, source=str(path) if path else None)
            writer.take_over((here, *trial.epochs, trial.end))
    for spec in recorder.specs:
        run = f"{recorder.campaign_id}/{spec.key}"
        known = runs.get(run)
        if known is not None and not known.open and known.epochs > longest.get(run, 0):
            archive.keep(writer.entries_of(run))
    writer.settle()


def warn_of_missing_files(archive: TrialArchive, outcomes: Sequence[TrialOutcome]) -> None:
    """Log which trials have ended without a file: MLflow has them, and no journal of this machine."""
    ended = [outcome for outcome in outcomes if outcome.status in KEPT]
    missing = [outcome.trial_id for outcome in ended if archive.lacks(outcome.trial_id, outcome.key)]
    if missing:
        log.warning(
            "%s lacks %d of %d trials that have ended (the first: %s): the journal that has their epochs "
            "is on another machine, or gone; run the campaign there",
            archive.folder,
            len(missing),
            len(ended),
            missing[0],
        )
