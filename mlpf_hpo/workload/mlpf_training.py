"""The workload of the benchmark by default: MLPF trained with a fixed configuration, on CPU or GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlpf_hpo.array_types import IntArray

if TYPE_CHECKING:
    from mlpf_hpo.mlpf.network import MLPF
    from mlpf_hpo.mlpf.task import MLPFTask
    from mlpf_hpo.tuning.task import TrialSpec

CONFIGURATION = {
    "lr": 1e-3,
    "n_glayers_id": 2,
    "n_glayers_reg": 2,
    "dropout": 0.1,
    "bin_size": 32,
    "output_dim": 64,
    "weight_decay": 1e-4,
}
"""What every machine trains. Changing it makes scores incomparable: it is no parameter."""


@dataclass(frozen=True)
class MLPFWorkload:
    """What workloads of MLPF have in common: the fixed configuration, and its padding."""

    configuration: Mapping[str, Any] = field(default_factory=lambda: dict(CONFIGURATION))

    def padding_ratio(self, element_counts: IntArray) -> float:
        """Return what bins that are not full add."""
        from mlpf_hpo.mlpf.step_accounting import padding_ratio

        return padding_ratio(element_counts, int(self.configuration["bin_size"]))


@dataclass(frozen=True)
class MLPFTraining(MLPFWorkload):
    """Training of MLPF, see `workloads.Workload`."""

    description: str = "Training throughput of MLPF (particle-flow reconstruction) in events per second"
    device: Literal["cpu", "gpu"] = "cpu"

    def flop_per_event(self, job: Mapping[str, Any]) -> float:
        """Return the operations of a training step per event, the mean over the training sample.

        Those of the function, as `mlpf.flop` counts them in every trial.
        """
        from mlpf_hpo.events.store import EventStore
        from mlpf_hpo.mlpf.flop import training_flop

        store = EventStore.open(job["events"])
        return training_flop(network_of(job), store.element_counts) / len(store)

    def run(self, job: Mapping[str, Any], on_epoch: Callable[[int, Mapping[str, float]], None]) -> str:
        """Train as a trial of a campaign is trained."""
        from mlpf_hpo.mlpf.training import train_trial
        from mlpf_hpo.tuning.trial_reports import EpochReport

        def after(report: EpochReport) -> None:
            on_epoch(report.epoch, report.metrics)

        end = train_trial(_spec(job), job["epochs"], Path(job["checkpoints"]), after)
        if end.status == "finished":
            return end.status
        return f"{end.status} after {end.epochs} epochs: its loss is no longer finite"


def network_of(job: Mapping[str, Any]) -> MLPF:
    """Return the network that a job begins with."""
    import torch

    from mlpf_hpo.mlpf.module import MLPFModule

    spec = _spec(job)
    with torch.random.fork_rng(devices=[]):
        return MLPFModule(spec.configuration, spec.task.network, seed=spec.seed).network


def _spec(job: Mapping[str, Any]) -> TrialSpec[MLPFTask]:
    from mlpf_hpo.config import NetworkParams, TrainingParams
    from mlpf_hpo.mlpf.task import MLPFTask
    from mlpf_hpo.tuning.task import TrialSpec

    task = MLPFTask(
        train_store=Path(job["events"]),
        validation_store=Path(job["validation"]),
        data_digest=job["events_digest"],
        network=NetworkParams(**job["network"]),
        training=TrainingParams(**job["training"]),
    )
    return TrialSpec("benchmark", job["configuration"], job["seed"], task)
