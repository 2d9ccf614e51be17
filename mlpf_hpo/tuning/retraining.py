"""Make sure that a trial's network exists: find its checkpoint, or train it again; keep it with its run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.trial_state import Trial
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.network_artifact import Client
from mlpf_hpo.tuning.best_trial import trial_folder
from mlpf_hpo.tuning.checkpoint_lookup import find_checkpoint, keep_with_run
from mlpf_hpo.tuning.checkpoints import Checkpoint, newest_checkpoint
from mlpf_hpo.tuning.recorder import NoRecorder
from mlpf_hpo.tuning.run import make_trainable, train_left
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.task import Task, TrialSpec

log = logging.getLogger(__name__)


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
    epoch; the run keeps what it has on record.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    spec : TrialSpec
        The trial.
    trial : mapping
        Its row of search.json.
    campaign_id : str
        Identity of its search.
    target : TargetMetric
        What the search compares by.
    resources : ResourceParams
        With what it is trained again.
    state : path
        Folder of state.

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
    trial = Trial(spec.trial_id, spec.key, spec.configuration)
    ledger = Ledger([trial], FullTraining(), epochs, target, restarts=resources.worker_restarts)
    trainable = make_trainable([spec], epochs, folder.parent.resolve())
    train_left(trainable, ledger, NoRecorder(), resources, spec.task.resources, state.resolve(), None)
    checkpoint = newest_checkpoint(folder)
    if trial.status != "finished" or checkpoint is None:
        raise DataError(
            f"trial {spec.trial_id}: the best on record; its network is gone, and trained again it "
            f"{trial.status} ({trial.reason}). Give it back to {folder}, search where it was trained, or "
            "search with another seed"
        )
    return checkpoint
