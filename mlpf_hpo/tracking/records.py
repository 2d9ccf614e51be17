"""What is recorded of a trial, and the key by which a trial is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlpf_hpo.space import Configuration, stable_hash

MODEL = "curve-predictor"
"""How the names of registered models that predict curves begin: there is one for each `ChampionScope`."""

NETWORK = "mlpf"
"""Name of the registered model that reconstructs particles."""

WITHOUT_NETWORK = ("diverged", "failed")
"""Statuses of trials that leave no network that one could use, whatever their loss was before."""

TRIAL_SCHEMA = 2
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
    """Tell whether a trial of this status leaves a network: only then can it be the best one.

    Everything that is said of the best trial follows this rule: the network that a search keeps, search.json,
    the summary in MLflow, the best loss against epochs spent, the report and `mlpf-hpo runs best`.
    """
    return status not in WITHOUT_NETWORK


class TrialRun(NamedTuple):
    """Where a trial is on record.

    Attributes
    ----------
    run_id, experiment_id, name : str
        Its run.
    trial_id, trial_key, campaign_id : str
        The trial, and the campaign or search that it belongs to.
    """

    run_id: str
    experiment_id: str
    name: str
    trial_id: str
    trial_key: str
    campaign_id: str


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


def trial_name(trial_id: str, configuration: Configuration) -> str:
    """Return a name that shows what matters in the 25 characters that the UI has room for.

    Examples
    --------
    >>> trial_name("t003", {"lr": 3.5e-4, "output_dim": 32, "n_glayers_id": 2, "n_glayers_reg": 3})
    't003 lr=3.5e-04 d=32 L=2+3'
    """
    c = configuration
    if not {"lr", "output_dim", "n_glayers_id", "n_glayers_reg"} <= set(c):
        return trial_id
    return f"{trial_id} lr={c['lr']:.1e} d={c['output_dim']} L={c['n_glayers_id']}+{c['n_glayers_reg']}"


def curves_digest(trials: Iterable[TrialSummary], metric: str) -> str:
    """Return a digest of what trials logged of the target metric, and of their losses.

    It tells whether MLflow still holds them.
    """
    names = digested(metric)
    return stable_hash(
        sorted(
            [trial.trial_key, trial.status, *(_hexadecimal(trial.metrics.get(name, ())) for name in names)]
            for trial in trials
        ),
        length=16,
    )


def digested(metric: str) -> tuple[str, ...]:
    """Return the metrics that `curves_digest` covers, of which trials need not log all.

    They are those that the training alone decides, not the machine's speed.
    """
    return tuple(sorted({"train/loss", "val/loss", metric}))


def _hexadecimal(values: Iterable[float]) -> str:
    """Write floats exactly; NaN and infinities included."""
    return " ".join(float(value).hex() for value in values)
