"""Find a trained network by a file, a run id, a trial key or a registered version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlpf_hpo.errors import DataError, MissingInputError, TrackingError
from mlpf_hpo.networks.registration import find_registered_network
from mlpf_hpo.networks.trained_network import TrainedNetwork, load_network
from mlpf_hpo.project import state_folder, trial_folder
from mlpf_hpo.remedies import make_again
from mlpf_hpo.tracking import run_lookup
from mlpf_hpo.tracking.client import connect_to_read, is_there
from mlpf_hpo.tracking.network_artifact import Client
from mlpf_hpo.tracking.network_registry import is_reference
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tuning.checkpoints import newest_checkpoint
from mlpf_hpo.tuning.trial_network import find_checkpoint, kept_epoch


def find_network(wanted: str, state: Path | None = None) -> tuple[TrainedNetwork, TrialRun | None]:
    """Return a trained network, and the run that belongs to it.

    Parameters
    ----------
    wanted : str
        Path of a checkpoint or of a folder with those of one trial; or a registered version like
        ``mlpf@champion`` or ``mlpf/3``; or a run id, a trial key or at least its first four characters. Of
        several runs of one trial, that with the longest training counts.
    state : path, optional
        Where `run_trials` keeps checkpoints, by default the project's folder of state; what is not there may
        be kept with the run, and is fetched.

    Returns
    -------
    trained : TrainedNetwork
        The network after the last epoch that is kept.
    run : TrialRun or None
        None for a checkpoint of a trial that MLflow does not have on record.

    Raises
    ------
    MissingInputError
        If there is no such trial or version, or nothing keeps its network.
    DataError
        If the key belongs to several trials, or the checkpoint is damaged.
    TrackingError
        If the checkpoint of the version, or the run, cannot be had, or is damaged.
    """
    if Path(wanted).exists():
        trained = load_network(Path(wanted))
        return trained, run_of(trained)
    if is_reference(wanted):
        return find_registered_network(wanted)
    if not is_there():
        raise MissingInputError(
            f"{wanted}: no such checkpoint, and no MLflow database here to look for a trial of this name in"
        )
    client = connect_to_read()
    runs = run_lookup.find_runs(client, wanted)
    keys = sorted({run.trial_key for run in runs})
    if len(keys) > 1:
        raise DataError(
            f"{wanted}: {len(keys)} trials begin like this: {', '.join(keys[:5])}; give more of one"
        )
    return _longest(client, runs, state or state_folder())


def _longest(client: Client, runs: Sequence[TrialRun], state: Path) -> tuple[TrainedNetwork, TrialRun]:
    """Return the network with the longest training, of those in the folder of state and with the runs."""
    folders = {run: trial_folder(state, run.campaign_id, run.trial_key) for run in runs}
    newest = {run: newest_checkpoint(folder) for run, folder in folders.items()}
    here = {run: checkpoint.epoch if checkpoint else 0 for run, checkpoint in newest.items()}
    there = {run: kept_epoch(client, run.run_id) for run in runs}
    run = max(runs, key=lambda run: max(here[run], there[run]))
    try:
        checkpoint = find_checkpoint(client, run.run_id, folders[run], there[run])
    except TrackingError as error:
        raise TrackingError(
            f"trial {run.name}: {error}; give the path of a copy, or --state with the folder of its "
            f"checkpoints. That of a search's best trial comes again by: {make_again('search')}"
        ) from None
    if checkpoint is None:
        looked = " and ".join(str(folder) for folder in folders.values())
        raise MissingInputError(
            f"trial {run.name}: no checkpoint in {looked}, and none is kept with its run: it was trained "
            "elsewhere, or they were removed; give the path of a copy, or --state with the folder that has it"
        )
    return load_network(checkpoint.path), run


def run_of(trained: TrainedNetwork) -> TrialRun | None:
    """Return the run of a checkpoint's trial: the run with the folder that it lies in, else the newest."""
    if not is_there():
        return None
    runs = run_lookup.runs_of_trial(connect_to_read(), trained.trial_key)
    folders = {part.name for part in trained.path.resolve().parents}
    inside = [run for run in runs if run.campaign_id in folders]
    return next(iter([*inside, *runs]), None)
