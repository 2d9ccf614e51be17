"""The prior campaign of a search's schedulers: the pipeline's own, another file of curves, or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.shipped_files import curves_file, shipped_names
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError, did_you_mean
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.named_scheduler import NamedScheduler
from mlpf_hpo.tuning.settings import CAMPAIGN, NO_PRIOR, SchedulerParams
from mlpf_hpo.tuning.task import TrialSpec

CURVES = Path("data/curves.parquet")
"""The pipeline's own campaign, as the stage `curves` leaves it."""


def read_prior(
    params: SchedulerParams, position: int, target: TargetMetric, campaign: Path = CURVES
) -> LearningCurves | None:
    """Return the curves that one of `search.schedulers` gets as its prior; None if it takes or wants none.

    Parameters
    ----------
    params : SchedulerParams
        The scheduler, with its searcher: if either takes a prior, it is given one.
    position : int
        Of the scheduler, for messages.
    campaign : path
        Curves of the pipeline's own campaign.

    Raises
    ------
    MissingInputError, DataError
        If there is no such file, or its content cannot be used.
    ConfigurationError
        If the scheduler takes no prior and is given one, or the other values of the file are the good ones.
    """
    where = f"search.schedulers.{position}.prior"
    if not params.takes_prior:
        if params.prior not in (None, NO_PRIOR):
            raise ConfigurationError(f"{where}: {params.described} takes no prior campaign")
        return None
    if params.prior == NO_PRIOR:
        return None
    path = params.prior_file or campaign
    file = curves_file(path)
    if path != campaign and file is None:
        hint = did_you_mean(str(path), (CAMPAIGN, NO_PRIOR, *shipped_names()))
        raise MissingInputError(
            f"{where}: {path}: no such file{hint}; it is {CAMPAIGN}, {NO_PRIOR}, a file or a data set that "
            "is shipped"
        )
    prior = read_table(path, mode=target.mode if (file or path).suffix != ".parquet" else None)
    if prior.mode != target.mode:
        raise ConfigurationError(
            f"{where}: {path} holds curves of {prior.target}, but the search's target is {target}"
        )
    return prior


def check_prior(named: NamedScheduler, specs: Sequence[TrialSpec[Any]]) -> None:
    """Refuse a prior that says nothing about these trials, before anything is trained.

    The scheduler, which is of no use afterwards, is asked for its first trial: what it needs of its prior is
    its own affair.

    Raises
    ------
    ConfigurationError, DataError
        What the scheduler says, with its key.
    """
    if named.prior is None:
        return
    scheduler = named.scheduler
    try:
        for spec in specs:
            scheduler.on_trial_add(spec.trial_id, spec.configuration)
        scheduler.choose([spec.trial_id for spec in specs], [])
    except (ConfigurationError, DataError) as error:
        raise type(error)(f"search.schedulers: {named.key}: {error}") from None
