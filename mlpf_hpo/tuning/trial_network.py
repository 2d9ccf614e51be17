"""The network of a trial on record: find its checkpoint, keep it with its run, or train it again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.project import trial_folder
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.network_artifact import Client, fetch_network, keep_network, kept_name
from mlpf_hpo.tuning.checkpoints import Checkpoint, epoch_of, newest_checkpoint, read_checkpoint
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import Task, TrialSpec

log = logging.getLogger(__name__)


def find_checkpoint(client: Client, run_id: str, folder: Path, epochs: int) -> Checkpoint | None:
    """Return the newest checkpoint of a trial, of those in its folder and the one kept with its run.

    After `epochs` epochs a network is as good as any: that of the folder is taken without asking MLflow. What
    is fetched from the run is put into the folder.

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


def ensure_network(
    client: Client,
    spec: TrialSpec[Task],
    trial: Mapping[str, Any],
    campaign_id: str,
    target: TargetMetric,
    resources: ResourceParams,
    state: Path,
) -> Checkpoint:
    """Return the checkpoint after a trial's last epoch on record, and keep it with the trial's run.

    It is taken from the folder of state, else from the run. What is in neither is trained again up to that
    epoch; the run keeps what it has on record. `trial` is the trial's row of search.json.

    Raises
    ------
    DataError
        If it is gone, and cannot be trained again.
    InterruptedStageError
        If interrupted; the next call goes on.
    """
    run_id, epochs = trial["run_id"], len(trial["curve"])
    folder = trial_folder(state, campaign_id, spec.key)
    lost = f"neither {folder} nor its run has a network of {spec.trial_id} after epoch {epochs}"
    try:
        checkpoint = find_checkpoint(client, run_id, folder, epochs)
    except TrackingError as error:
        checkpoint, lost = None, f"{spec.trial_id}: {error}"
    if checkpoint is None or checkpoint.epoch < epochs:
        log.warning("%s: it is trained again, for %d epochs", lost, epochs)
        checkpoint = _train_again(spec, epochs, folder, target, resources, state)
    keep_with_run(client, run_id, checkpoint, spec.trial_id)
    return checkpoint


def _train_again(
    spec: TrialSpec[Task],
    epochs: int,
    folder: Path,
    target: TargetMetric,
    resources: ResourceParams,
    state: Path,
) -> Checkpoint:
    from mlpf_hpo.tuning import ray_session  # takes seconds

    trial = Trial(spec.trial_id, spec.key, spec.configuration)
    ledger = Ledger([trial], FullTraining(), epochs, target, resources.worker_restarts)
    ray_session.train_left([spec], ledger, None, resources, state.resolve(), folder.parent.resolve(), None)
    checkpoint = newest_checkpoint(folder)
    if trial.status != "finished" or checkpoint is None:
        raise DataError(
            f"trial {spec.trial_id}: the best on record; its network is gone, and trained again it "
            f"{trial.status} ({trial.reason}). Give it back to {folder}, search where it was trained, or "
            "search with another seed"
        )
    return checkpoint
