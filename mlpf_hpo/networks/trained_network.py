"""Load a trained network from its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.evaluation.reconstruction import reconstruct
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.network import MLPF
from mlpf_hpo.mlpf.training import STATE_KEY
from mlpf_hpo.space import Configuration
from mlpf_hpo.tuning.checkpoints import Checkpoint, newest_checkpoint, read_checkpoint


@dataclass(frozen=True)
class TrainedNetwork:
    """A trial's network as its checkpoint holds it.

    Attributes
    ----------
    path : path
        The checkpoint.
    trial_key : str
        The trial.
    epoch : int
        Number of epochs that the network was trained for.
    validation_loss : float
        After that epoch.
    configuration : mapping
        Hyperparameter name -> value.
    training : TrainingParams
        Batch size, threads, precision of the training.
    trained_on : mapping
        Training events: process, n_events, pileup, digest.
    network : MLPF
        With the trained weights, on the CPU.
    """

    path: Path
    trial_key: str
    epoch: int
    validation_loss: float
    configuration: Configuration
    training: TrainingParams
    trained_on: dict[str, Any]
    network: MLPF


def load_network(path: Path) -> TrainedNetwork:
    """Rebuild the network of a checkpoint file, or of the newest one of a single trial in or below a folder.

    Raises
    ------
    MissingInputError
        If there is no such file, or no checkpoint in the folder.
    DataError
        If it is damaged, holds several trials, or does not say what was trained.
    """
    checkpoint = newest_below(path) if path.is_dir() else read_checkpoint(_there(path))
    state = checkpoint.content.get("callbacks", {}).get(STATE_KEY, {})
    try:
        return _rebuilt(checkpoint, state)
    except (KeyError, IndexError, TypeError, RuntimeError, ValidationError) as error:
        raise DataError(
            f"{checkpoint.path}: does not say what was trained ({type(error).__name__}: {error}): it may "
            "come from an older version of this package; train the trial again"
        ) from None


def reconstructed(trained: TrainedNetwork, store: EventStore) -> FloatArray:
    """Return a trained network's particles at all elements of a store, [N, 7], columns as in `TARGETS`.

    Sets the process's number of PyTorch threads to that of the training: more would only be in each other's
    way.

    Raises
    ------
    DataError
        If the network predicts no numbers, or an event is too large for it.
    """
    torch.set_num_threads(trained.training.threads)
    return reconstruct(trained.network, store, trained.training.batch_events)


def newest_below(folder: Path) -> Checkpoint:
    """Return the newest whole checkpoint of the one trial that has its checkpoints in or below a folder."""
    folders = sorted({file.parent for file in folder.rglob("epoch-*.ckpt")})
    if not folders:
        raise MissingInputError(f"{folder}: no checkpoint in this folder")
    if len(folders) > 1:
        some = ", ".join(str(one) for one in folders[:3]) + (", ..." if len(folders) > 3 else "")
        raise DataError(f"{folder}: checkpoints of {len(folders)} trials below it; give one of {some}")
    checkpoint = newest_checkpoint(folders[0])
    if checkpoint is None:
        raise DataError(f"{folders[0]}: every checkpoint is damaged; train the trial again")
    return checkpoint


def _there(path: Path) -> Path:
    if not path.is_file():
        raise MissingInputError(f"{path}: no such checkpoint")
    return path


def _rebuilt(checkpoint: Checkpoint, state: Mapping[str, Any]) -> TrainedNetwork:
    configuration = state["configuration"]
    module = MLPFModule(configuration, NetworkParams.model_validate(state["network"]), seed=state["seed"])
    module.load_state_dict(checkpoint.content["state_dict"])
    return TrainedNetwork(
        path=checkpoint.path,
        trial_key=state["trial_key"],
        epoch=checkpoint.epoch,
        validation_loss=float(state["history"][-1]["metrics"]["val/loss"]),
        configuration=configuration,
        training=TrainingParams.model_validate(state["training"]),
        trained_on=state["trained_on"],
        network=module.network,
    )
