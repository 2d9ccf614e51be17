"""What is recorded of a trial, and the key by which a trial is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpf_hpo.space import Configuration, stable_hash

TRIAL_SCHEMA = 1
"""Raised whenever the same configuration and seed would no longer give the same curve."""


@dataclass(frozen=True)
class TrialSummary:
    """One trial as MLflow holds it.

    Attributes
    ----------
    trial_id : str
        Position in the stream of configurations, like ``t003``.
    trial_key : str
        Identity across stages and reruns, see `trial_key`.
    run_id : str
        MLflow run.
    configuration : mapping
        Hyperparameter name -> value.
    seed : int
        Seed of the trial's weights, dropout and data order.
    status : str
        "running", "finished", "stopped" (by the policy), "paused", "diverged", "failed" or "killed".
    metrics : mapping of str to sequence of float
        Metric name -> value after each epoch, from the first epoch.
    hardware_label : str
        Machine that trained it.
    """

    trial_id: str
    trial_key: str
    run_id: str
    configuration: Configuration
    seed: int
    status: str
    metrics: Mapping[str, tuple[float, ...]]
    hardware_label: str

    @property
    def epochs(self) -> int:
        """Number of epochs on record."""
        return max((len(values) for values in self.metrics.values()), default=0)


def trial_key(
    configuration: Configuration, seed: int, events_digest: str, constants: Mapping[str, Any]
) -> str:
    """Return the identity of a training: equal keys promise equal curves on equal hardware.

    The number of epochs stands outside, so that a longer training extends a shorter one, and so does the
    policy that asked for it.

    Parameters
    ----------
    configuration : mapping
        Hyperparameter name -> value.
    seed : int
        The trial's seed.
    events_digest : str
        Digest of the training and validation events.
    constants : mapping
        Everything else that changes a curve: network widths, batch size, threads, precision.
    """
    return stable_hash(
        {
            "schema": TRIAL_SCHEMA,
            "configuration": {name: float(value) for name, value in configuration.items()},
            "seed": seed,
            "events": events_digest,
            "constants": dict(constants),
        },
        length=16,
    )
