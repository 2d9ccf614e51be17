"""MLPF on collision events as a task: what a trial of it trains. Only workers, which train, load PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mlpf_hpo.collector import collector_paused
from mlpf_hpo.config import MLPF, NetworkParams, Params, TrainingParams
from mlpf_hpo.config.mlpf_space import smallest_bin, space_problems
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.metric_modes import Direction, logged_direction
from mlpf_hpo.mlpf.native.kernels import kernels_in_use
from mlpf_hpo.space import SearchSpace, stable_hash
from mlpf_hpo.tuning.task import Task, TaskResources, TrialSpec, load_task
from mlpf_hpo.tuning.trial_reports import EpochReport, TrialEnd


@dataclass(frozen=True)
class MLPFTask:
    """MLPF, trained on one event store and validated on another.

    Attributes
    ----------
    train_store, validation_store : path
        Event stores.
    data_digest : str
        Digest of both stores' content.
    network : NetworkParams
        Widths that no trial changes.
    training : TrainingParams
        Batch size, threads, precision.
    """

    train_store: Path
    validation_store: Path
    data_digest: str
    network: NetworkParams
    training: TrainingParams

    name: ClassVar[str] = MLPF
    keeps_checkpoints: ClassVar[bool] = True

    @classmethod
    def on(cls, train: Path, validation: Path, network: NetworkParams, training: TrainingParams) -> MLPFTask:
        """Return the task on two event stores.

        Raises
        ------
        MissingInputError, DataError
            If a store is not there, or damaged.
        """
        digest = sample_digest(train, validation)
        return cls(train.resolve(), validation.resolve(), digest, network, training)

    @property
    def constants(self) -> dict[str, Any]:
        """Widths, batch size, threads, precision: part of every trial's key."""
        return {
            "network": self.network.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
        }

    @property
    def tags(self) -> dict[str, str]:
        """How training steps are computed on a CPU of this machine: numbers differ by rounding alone."""
        return {
            "cpu_kernels": kernels_in_use() if self.training.precision == "32" else "none: mixed precision"
        }

    @property
    def dataset_path(self) -> Path:
        """Folder of the stores."""
        return self.train_store.parent

    @property
    def resources(self) -> TaskResources:
        """One process with `training.threads` threads."""
        return TaskResources(self.training.threads)

    def direction(self, metric: str) -> Direction | None:
        """Return whether small or large values of a metric are good."""
        return logged_direction(metric)

    def check(self, space: SearchSpace) -> None:
        """Refuse a space of other hyperparameters, or one with bins that leave too few hash columns.

        Raises
        ------
        MissingInputError, DataError
            If a store is not there, or damaged.
        ConfigurationError
            If there are too few hash columns, or the space has hyperparameters that MLPF has not.
        """
        for name, problem in space_problems(space).items():
            raise ConfigurationError(f"space.{name}: {problem}")
        stores = [EventStore.open(self.train_store), EventStore.open(self.validation_store)]
        largest = max(int(store.element_counts.max()) for store in stores)
        smallest = smallest_bin(space)
        needed = math.ceil(largest / smallest) // 2  # as `EventSizes.n_hyperplanes`
        if needed > self.network.hash_columns:
            raise ConfigurationError(
                f"network.hash_columns ({self.network.hash_columns}): the largest event has {largest} "
                f"elements, which in bins of {smallest} (space.bin_size) take {needed}"
            )

    def train(
        self,
        trial: TrialSpec[MLPFTask],
        max_epochs: int,
        checkpoint_dir: Path,
        report: Callable[[EpochReport], None],
    ) -> TrialEnd:
        """Train a trial, see `train_trial`."""
        with collector_paused():
            from mlpf_hpo.mlpf.training import train_trial

        return train_trial(trial, max_epochs, checkpoint_dir, report)


def sample_digest(train: Path, validation: Path) -> str:
    """Compare both stores with their checksums; return one digest of them: the data of a training.

    The process that starts trainings calls this once: trainings open the stores without reading all of them.

    Raises
    ------
    MissingInputError, DataError
        If a store is not there, or damaged; the message names the file.
    """
    stores = [EventStore.open(train), EventStore.open(validation)]
    for store in stores:
        store.verify()
    return stable_hash([store.digest for store in stores], length=16)


def task_of(params: Params, events: Path) -> Task:
    """Return the task that params name: MLPF on the stores in a folder of events, or somebody else's.

    Raises
    ------
    ConfigurationError
        If the task cannot be loaded.
    MissingInputError, DataError
        If MLPF is trained and a store is not there, or damaged.
    """
    if params.task != MLPFTask.name:
        return load_task(params.task, params.task_settings)
    return MLPFTask.on(events / "train", events / "validation", params.network, params.training)
