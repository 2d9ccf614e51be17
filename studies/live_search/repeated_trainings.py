"""Train one configuration several times with different seeds, as a campaign of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpf_hpo.config import Params
from mlpf_hpo.space import Choice, SearchSpace
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tuning.campaign import run_campaign
from mlpf_hpo.tuning.progress import Progress
from mlpf_hpo.tuning.settings import CampaignParams
from mlpf_hpo.tuning.task import Task


def best_configurations(search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the schedulers of a search's record found best, each configuration once.

    Returns
    -------
    list of dict
        `configuration`, and `schedulers`, the keys of those that found it.

    Examples
    --------
    >>> found = {"a": 0.1, "b": 0.2, "c": 0.1}
    >>> one = {key: {"best_configuration": {"lr": lr}} for key, lr in found.items()}
    >>> [(best["configuration"], best["schedulers"]) for best in best_configurations({"schedulers": one})]
    [({'lr': 0.1}, ['a', 'c']), ({'lr': 0.2}, ['b'])]
    """
    found: list[dict[str, Any]] = []
    for key, result in search["schedulers"].items():
        configuration = dict(result["best_configuration"])
        same = [one for one in found if one["configuration"] == configuration]
        if same:
            same[0]["schedulers"].append(key)
        else:
            found.append({"configuration": configuration, "schedulers": [key]})
    return found


def train_repeats(
    task: Task,
    configuration: Mapping[str, Any],
    params: Params,
    n: int,
    seed: int,
    on_progress: Progress | None = None,
) -> list[float]:
    """Train a configuration n times for as many epochs as the search trains at most; return the best losses.

    Raises
    ------
    MlpfHpoError
        As `run_campaign`; in particular if a training fails.
    """
    space = SearchSpace({name: Choice((value,)) for name, value in configuration.items()})
    target = params.target.with_mode()
    record = run_campaign(
        task,
        space,
        target,
        CampaignParams(trials=n, epochs=params.search.max_epochs),
        seed=seed,
        resources=params.resources,
        patience_seconds=params.tracking.patience_seconds,
        on_progress=on_progress,
    )
    trials = reader.trials(connect(), "campaign", run_ids=record.runs["run_ids"], metrics=[target.metric])
    return [target.best(trial.metrics[target.metric]) for trial in trials]


def deviation_between_seeds(losses: list[list[float]]) -> float:
    """Return the standard deviation of repeats, pooled over configurations.

    Parameters
    ----------
    losses : list of list of float
        Of each configuration, those of its repeats.

    Examples
    --------
    >>> deviation_between_seeds([[1.0, 3.0], [10.0, 12.0]])
    1.4142135623730951
    """
    return float(np.sqrt(np.mean([np.var(one, ddof=1) for one in losses])))
