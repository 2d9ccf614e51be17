"""From what people have at hand - a file, a run id, a registered version - to a trained network."""

from __future__ import annotations

from pathlib import Path

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.project import state_folder
from mlpf_hpo.tracking import finder
from mlpf_hpo.tracking.client import connect, is_there
from mlpf_hpo.tracking.networks import is_reference
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tuning.best import trial_folder
from mlpf_hpo.tuning.checkpoints import newest_checkpoint
from mlpf_hpo.tuning.registration import find_registered
from mlpf_hpo.tuning.trained import TrainedTrial, load_trained


def find_trained(wanted: str, state: Path | None = None) -> tuple[TrainedTrial, TrialRun | None]:
    """Return a trained network, and the run that belongs to it.

    Parameters
    ----------
    wanted : str
        Path of a checkpoint or of a folder with those of one trial; or a registered version like
        ``mlpf@champion`` or ``mlpf/3``; or a run id, a trial key or at least its first four characters. Of
        several runs of one trial, that with the longest training counts.
    state : path, optional
        Where `run_trials` keeps checkpoints; by default the project's folder of state.

    Returns
    -------
    trained : TrainedTrial
        The network after the last epoch that is kept.
    run : TrialRun or None
        None for a checkpoint whose trial MLflow does not have on record.

    Raises
    ------
    MissingInputError
        If there is no such trial or version, or its checkpoints are gone.
    DataError
        If the key belongs to several trials, or the checkpoint is damaged.
    TrackingError
        If the version's checkpoint cannot be had, or is damaged.
    """
    if Path(wanted).exists():
        trained = load_trained(Path(wanted))
        return trained, run_of(trained)
    if is_reference(wanted):
        return find_registered(wanted)
    if not is_there():
        raise MissingInputError(
            f"{wanted}: no such checkpoint, and no MLflow database here to look for a trial of this name in"
        )
    runs = finder.find_runs(connect(), wanted)
    keys = sorted({run.trial_key for run in runs})
    if len(keys) > 1:
        raise DataError(
            f"{wanted}: {len(keys)} trials begin like this: {', '.join(keys[:5])}; give more of one"
        )
    folders = {run: trial_folder(state or state_folder(), run.campaign_id, run.trial_key) for run in runs}
    kept = {run: newest_checkpoint(folder) for run, folder in folders.items()}
    found = {run: checkpoint for run, checkpoint in kept.items() if checkpoint is not None}
    if not found:
        looked = " and ".join(str(folder) for folder in folders.values())
        raise MissingInputError(
            f"{wanted}: trial {runs[0].name} has no checkpoint in {looked}: it was trained elsewhere, or "
            "they were removed; give the path of a copy, or --state with the folder that has them"
        )
    run = max(found, key=lambda run: found[run].epoch)
    return load_trained(found[run].path), run


def run_of(trained: TrainedTrial) -> TrialRun | None:
    """Return the run of a checkpoint's trial: the one whose folder it lies in, else the newest."""
    if not is_there():
        return None
    runs = finder.runs_of_trial(connect(), trained.trial_key)
    folders = {part.name for part in trained.path.resolve().parents}
    inside = [run for run in runs if run.campaign_id in folders]
    return next(iter([*inside, *runs]), None)
