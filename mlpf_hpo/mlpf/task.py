"""MLPF on collision events as a task: what a trial of it trains. Only workers, which train, load PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from mlpf_hpo.collector import collector_paused
from mlpf_hpo.config import MLPF, NetworkParams, Params, TrainingParams
from mlpf_hpo.config.mlpf_space import smallest_bin, space_problems
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.store import EventStore, sample_stores
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
    processes : int
        Processes of a trial, which share each batch.
    """

    train_store: Path
    validation_store: Path
    data_digest: str
    network: NetworkParams
    training: TrainingParams
    processes: int = 1

    name: ClassVar[str] = MLPF
    keeps_checkpoints: ClassVar[bool] = True

    @classmethod
    def on(
        cls,
        train: Path,
        validation: Path,
        network: NetworkParams,
        training: TrainingParams,
        processes: int = 1,
    ) -> MLPFTask:
        """Return the task on two event stores.

        Raises
        ------
        MissingInputError, DataError
            If a store is not there, or damaged.
        ConfigurationError
            If a batch has fewer events than there are processes.
        """
        if training.batch_elements is None and processes > training.batch_events:
            raise ConfigurationError(
                f"resources.processes_per_trial: {processes} processes would share batches of "
                f"{training.batch_events} events (training.batch_events); at most one process an event"
            )
        digest = sample_digest(train, validation)
        return cls(train.resolve(), validation.resolve(), digest, network, training, processes)

    @property
    def constants(self) -> dict[str, Any]:
        """Widths, batch size, threads, precision, and processes if several: part of every trial's key."""
        constants: dict[str, Any] = {
            "network": self.network.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
        }
        return constants if self.processes == 1 else {**constants, "processes": self.processes}

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

    def with_data(self, folder: Path) -> MLPFTask:
        """Return the task on a copy of `dataset_path`, whose content is the same."""
        validation = folder / self.validation_store.relative_to(self.dataset_path)
        return replace(self, train_store=folder / self.train_store.name, validation_store=validation)

    @property
    def resources(self) -> TaskResources:
        """`processes` with `training.threads` threads each."""
        return TaskResources(self.training.threads, self.processes)

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
        if self.processes > 1:
            from mlpf_hpo.mlpf.training_processes import train_together

            return train_together(trial, max_epochs, checkpoint_dir, report)
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
        If the task cannot be loaded, or not be trained by so many processes, or the folder is a store itself.
    MissingInputError, DataError
        If MLPF is trained and a store is not there, or damaged.
    """
    processes = params.resources.processes_per_trial
    if params.task != MLPFTask.name:
        task = load_task(params.task, params.task_settings)
        if processes not in (1, task.resources.processes):
            raise ConfigurationError(
                f"resources.processes_per_trial: task {task.name} has {task.resources.processes} by its own "
                f"`resources`, not {processes}; leave it at 1, and let the task say it"
            )
        return task
    return MLPFTask.on(*sample_stores(events), params.network, params.training, processes)
