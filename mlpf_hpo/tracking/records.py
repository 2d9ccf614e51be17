"""A trial on record: its name, its run, and the digest of its curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import Configuration, from_text, short_text, stable_hash

MODEL = "curve-predictor"
"""How the names of registered models that predict curves begin: there is one for each `ChampionScope`."""

NETWORK = "mlpf"
"""Name of the registered model that reconstructs particles."""

LONGEST_NAME = 100
"""Letters of a trial's name."""


class TrialRun(NamedTuple):
    """The MLflow run of a trial.

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


def configuration_of(params: Mapping[str, str]) -> Configuration:
    """Return the configuration of a trial from its run's params, which have the seed too."""
    return {name: from_text(text) for name, text in params.items() if name != "seed"}


def trial_name(trial_id: str, configuration: Configuration) -> str:
    """Return a name that shows what matters in the 25 characters that the UI has room for.

    Examples
    --------
    >>> trial_name("t003", {"lr": 3.5e-4, "output_dim": 32, "n_glayers_id": 2, "n_glayers_reg": 3})
    't003 lr=3.5e-04 d=32 L=2+3'
    >>> trial_name("t003", {"lr": 3.5e-4, "activation": "relu", "bias": True})
    't003 lr=0.00035 activation=relu bias=True'
    """
    c = configuration
    if not {"lr", "output_dim", "n_glayers_id", "n_glayers_reg"} <= set(c):
        return " ".join([trial_id, *(f"{name}={short_text(value)}" for name, value in c.items())])[
            :LONGEST_NAME
        ]
    return f"{trial_id} lr={c['lr']:.1e} d={c['output_dim']} L={c['n_glayers_id']}+{c['n_glayers_reg']}"


def curves_digest(trials: Iterable[TrialSummary], metric: str) -> str:
    """Return a digest of what trials logged of the target metric, and of their losses.

    Another digest means that MLflow does not hold them any more.
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
