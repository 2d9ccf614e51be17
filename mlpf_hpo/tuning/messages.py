"""What passes between the driver and whoever trains a trial: the order, the reports, the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlpf_hpo.config import NetworkParams, TrainingParams
from mlpf_hpo.space import Configuration
from mlpf_hpo.tracking.records import trial_key


@dataclass(frozen=True)
class TrialSpec:
    """All that determines a training.

    Attributes
    ----------
    trial_id : str
        Position in the stream of configurations, like ``t003``.
    configuration : mapping
        Hyperparameter name -> value.
    seed : int
        Seed of weights, dropout and data order.
    train, validation : path
        Event stores.
    events_digest : str
        Digest of both stores' content.
    network : NetworkParams
        Widths that no trial changes.
    training : TrainingParams
        Batch size, threads, precision.
    """

    trial_id: str
    configuration: Configuration
    seed: int
    train: Path
    validation: Path
    events_digest: str
    network: NetworkParams
    training: TrainingParams

    @property
    def key(self) -> str:
        """Identity across stages and reruns; neither paths nor the number of epochs are in it."""
        constants = {
            "network": self.network.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
        }
        return trial_key(self.configuration, self.seed, self.events_digest, constants)


@dataclass(frozen=True)
class EpochReport:
    """What an epoch left.

    Attributes
    ----------
    epoch : int
        Number of epochs completed, from 1.
    metrics : mapping
        Metric name -> value: losses, physics, throughput, times.
    timestamp_ms : int
        When it ended, ms since 1970.
    diverged : bool
        Whether a loss is no longer finite; no further epoch follows.
    """

    epoch: int
    metrics: Mapping[str, float]
    timestamp_ms: int
    diverged: bool = False


@dataclass(frozen=True)
class TrialEnd:
    """How a training ended, after how many epochs."""

    status: Literal["finished", "diverged"]
    epochs: int
