"""The checkpoint of a trial on record: in the folder of state, or kept with its run in MLflow."""

from __future__ import annotations

import logging
from pathlib import Path

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.tracking.network_artifact import Client, fetch_network, keep_network, kept_name
from mlpf_hpo.tuning.checkpoints import Checkpoint, epoch_of, newest_checkpoint, read_checkpoint

log = logging.getLogger(__name__)


def find_checkpoint(client: Client, run_id: str, folder: Path, epochs: int) -> Checkpoint | None:
    """Return the newest checkpoint of a trial, of those in its folder and the one kept with its run.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    run_id : str
        The trial's run.
    folder : path
        Folder of its checkpoints. What is fetched from the run is put there.
    epochs : int
        After so many epochs a network is as good as any: that of the folder is taken without asking MLflow.

    Returns
    -------
    Checkpoint or None
        None if there is none at all; it may be one after fewer epochs.

    Raises
    ------
    TrackingError
        If the run's is newer and is gone, damaged, or cannot be had.
    """
    newest = newest_checkpoint(folder)
    here = newest.epoch if newest else 0
    if here < epochs and kept_epoch(client, run_id) > here:
        return read_checkpoint(fetch_network(client, run_id, folder))
    return newest


def keep_with_run(client: Client, run_id: str, checkpoint: Checkpoint, trial: str) -> None:
    """Keep a trial's network with its run; where files are not taken, warn that the folder alone has it."""
    try:
        keep_network(client, run_id, checkpoint.path)
    except TrackingError as error:
        where = checkpoint.path.parent
        log.warning("the network of %s is in %s only, not with its run: %s", trial, where, error)


def kept_epoch(client: Client, run_id: str) -> int:
    """Return the epochs after which the network that is kept with a run was written; 0 if none is kept."""
    name = kept_name(client, run_id)
    return max(epoch_of(name), 0) if name else 0
