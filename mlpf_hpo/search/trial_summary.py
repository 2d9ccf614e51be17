"""`TrialSummary`: a recorded trial with its configuration, final status and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlpf_hpo.space import Configuration

WITHOUT_NETWORK = ("diverged", "failed")
"""Statuses of trials without a usable network, whatever their loss was before."""


@dataclass(frozen=True)
class TrialSummary:
    """One trial as MLflow holds it.

    Attributes
    ----------
    trial_id : str
        Position in the stream of configurations, like ``t003``.
    trial_key : str
        Identity across stages and reruns, see `TrialSpec.key`.
    run_id : str
        MLflow run.
    configuration : mapping
        Hyperparameter name -> value.
    seed : int
        Seed of the trial's weights, dropout and data order.
    status : str
        "running", "finished", "stopped" (by the scheduler), "paused", "diverged", "failed" or "killed".
    metrics : mapping of str to sequence of float
        Metric name -> value after each epoch, from the first epoch.
    hardware_label : str
        Machine that trained it.
    timestamps : sequence of float
        When each epoch ended, seconds since 1970.
    reason : str
        Which rule stopped it, or why it ended as it did; empty if it finished.
    """

    trial_id: str
    trial_key: str
    run_id: str
    configuration: Configuration
    seed: int
    status: str
    metrics: Mapping[str, tuple[float, ...]]
    hardware_label: str
    timestamps: tuple[float, ...] = ()
    reason: str = ""

    @property
    def epochs(self) -> int:
        """Number of epochs on record."""
        return max((len(values) for values in self.metrics.values()), default=0)


def has_network(status: str) -> bool:
    """Return whether a trial of this status has a usable network: only such a trial can be the best one.

    All records of the best trial follow this rule: the network that a search keeps, search.json,
    the summary in MLflow, the best loss against epochs spent, the report and `mlpf-hpo runs best`.
    """
    return status not in WITHOUT_NETWORK
