"""The learning curves of a campaign from its files of finished trials, as a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.learning_curves import curves_from_trials
from mlpf_hpo.tracking.trial_archive import TrialArchive


def collect_archived(
    archive: TrialArchive,
    target: TargetMetric,
    n_epochs: int,
    source: str,
    *,
    patterns: Sequence[str] = ("*",),
    configurations: int | None = None,
    seeds: int | None = None,
    least_epochs: int = 1,
) -> LearningCurves:
    """Return the curves of an archive's trials, those of the stream first, then those with other seeds.

    Parameters
    ----------
    archive : TrialArchive
        The files.
    target : TargetMetric
        The metric to be predicted.
    n_epochs : int
        Length of the curves; longer ones are cut.
    source : str
        Where the curves come from, for captions.
    patterns : sequence of str
        Of the names of metrics that are kept, beside the target.
    configurations : int, optional
        Only the first ones of the stream; by default all.
    seeds : int, optional
        Only so many trainings of each configuration, the stream's own first; by default all.
    least_epochs : int
        Trials with fewer epochs are left out, and counted.

    Raises
    ------
    MissingInputError, DataError
        If there are no files, they are damaged, or a finished trial is too short.
    """
    archived = archive.trials()
    trials = sorted((one.summary() for one in archived), key=_in_stream)
    stream = {first for _, first in map(_in_stream, trials)}
    if configurations is not None:
        stream = {f"t{i:03d}" for i in range(configurations)}
        for missing in sorted(stream - {trial.trial_id for trial in trials})[:1]:
            raise DataError(
                f"{archive.folder}: no file of {missing}: it is not among the finished trials yet"
            )
    chosen = [
        trial
        for trial in trials
        if _in_stream(trial)[1] in stream and (seeds is None or _in_stream(trial)[0] < seeds)
    ]
    kept = [_with(trial, target.metric, patterns) for trial in chosen if trial.epochs >= least_epochs]
    for trial in kept:
        if trial.status == "finished" and trial.epochs < n_epochs:
            raise DataError(
                f"{archive.folder}: {trial.trial_id} has {trial.epochs} of {n_epochs} epochs; train it on "
                "with the campaign, or ask for fewer epochs"
            )
    curves = curves_from_trials(kept, target, n_epochs, source)
    short = len(chosen) - len(kept)
    return dataclasses.replace(
        curves,
        left_out_rows={f"fewer than {least_epochs} epochs": short} if short else {},
        data_digest=archived[0].opening.digest or "",  # one campaign trains on one data set
    )


def _in_stream(trial: TrialSummary) -> tuple[int, str]:
    """Return which repeat of a configuration a trial is, and the first trial of it: 1, t003 of t003r1."""
    first, _, repeat = trial.trial_id.partition("r")
    return int(repeat or 0), first


def _with(trial: TrialSummary, metric: str, patterns: Sequence[str]) -> TrialSummary:
    """Return a trial with the metrics whose names fit."""
    metrics = {
        name: values
        for name, values in trial.metrics.items()
        if name == metric or any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    return dataclasses.replace(trial, metrics=metrics)
