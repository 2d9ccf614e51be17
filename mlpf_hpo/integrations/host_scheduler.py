"""`make_host_scheduler`: a scheduler for the trials of another library, with what is known from before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.model_file import load_predictor
from mlpf_hpo.search.scheduler import Scheduler
from mlpf_hpo.search.schedulers import (
    BUDGET,
    PREDICTION,
    SCHEDULERS,
    accepted,
    make_scheduler,
    takes_prior,
)
from mlpf_hpo.search.schedulers.checks import check_whole
from mlpf_hpo.space import Mode, Value, is_number

Prior: TypeAlias = LearningCurves | CurvePredictor | str | Path
"""What is known from before: curves of a prior campaign, or a predictor that was fitted on some.

A text or a path names one: a file of curves, a data set that is shipped, a predictor's model file
(``.skops``), or a registered predictor, ``models:/MODEL@ALIAS`` or ``models:/MODEL/VERSION``.
"""

REGISTERED, MODEL_FILE = "models:/", ".skops"

STOPPING = "asha"
"""The scheduler that takes the place of one that pauses, where trials cannot be resumed."""

NEVER_PAUSE = frozenset({"full", "random", "asha", "median_stopping", "prior_best_k"})
"""Built-in schedulers under which a trial that runs goes on or ends."""


def read_knowledge(prior: Prior, mode: Mode) -> LearningCurves | CurvePredictor:
    """Return the curves, or the predictor, that are known from before.

    Parameters
    ----------
    prior : LearningCurves, CurvePredictor, str or path
        See `Prior`.
    mode : {"min", "max"}
        Of the search.

    Raises
    ------
    MissingInputError, DataError, TrackingError
        If what is named is not there, or cannot be used.
    ConfigurationError
        If its good values are the other ones.

    Examples
    --------
    >>> read_knowledge("campaign-v9", "min")
    Traceback (most recent call last):
    mlpf_hpo.errors.MissingInputError: campaign-v9: no such file (did you mean campaign-v1?); ...
    """
    found = _read_named(prior, mode) if isinstance(prior, str | Path) else prior
    if not isinstance(found, LearningCurves | CurvePredictor):
        raise ConfigurationError(
            f"prior: a {type(found).__name__}; it is LearningCurves, a fitted CurvePredictor, or the name of "
            "either"
        )
    if found.mode != mode:
        whose = f"the curves of {found.source}" if isinstance(found, LearningCurves) else "the predictor"
        raise ConfigurationError(f"prior: mode of {whose} is {found.mode}, that of the search {mode}")
    return found


def _read_named(name: str | Path, mode: Mode) -> LearningCurves | CurvePredictor:
    text = str(name)
    if text.startswith(REGISTERED):
        from mlpf_hpo.registry.load import load_registered  # MLflow, for who keeps predictors there

        return load_registered(text.removeprefix(REGISTERED))[0]
    if Path(name).suffix == MODEL_FILE:
        return load_predictor(Path(name))
    return read_table(Path(name), mode=None if Path(name).suffix in ("", ".parquet") else mode)


def make_host_scheduler(
    name: str,
    max_epochs: int,
    mode: Mode,
    prior: Prior | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Scheduler:
    """Return a fresh scheduler for trials that another library trains.

    Parameters
    ----------
    name : str
        Of a scheduler, built-in or of an installed package.
    max_epochs : int
        Number of epochs of a full training.
    mode : {"min", "max"}
        Whether smaller or larger values are better.
    prior : LearningCurves, CurvePredictor, str or path, optional
        What is known from before, see `Prior`: curves for a scheduler that takes them; with a predictor any
        scheduler also stops trials that cannot win any more.
    settings : mapping, optional
        Of the scheduler, of its prediction, and `budget_epochs`.

    Raises
    ------
    ConfigurationError
        If there is no such scheduler or setting, it takes no curves, or the predictor is for another number
        of epochs.
    MissingInputError, DataError, TrackingError
        If the prior is not there, or cannot be used.

    Examples
    --------
    >>> make_host_scheduler("asha", 9, "max", settings={"reduction_factor": 2}).reduction_factor
    2
    >>> make_host_scheduler("asha", 9, "max", settings={"eta": 2})
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: scheduler asha has no setting 'eta'; it has: ...
    """
    check_whole("max_epochs", max_epochs, least=1)
    check_mode(mode)
    SCHEDULERS.check(name)
    known = None if prior is None else read_knowledge(prior, mode)
    curves = known if isinstance(known, LearningCurves) else None
    predictor = known if isinstance(known, CurvePredictor) else None
    if curves is not None and not takes_prior(name):
        able = ", ".join(sorted(one for one in SCHEDULERS.builtin if takes_prior(one)))
        raise ConfigurationError(
            f"scheduler {name} takes no curves of a prior campaign; these do: {able}; a predictor that was "
            "fitted on them (mlpf-hpo predictors fit --curves FILE --out FILE.skops) goes with any"
        )
    if predictor is not None and predictor.n_epochs != max_epochs:
        raise ConfigurationError(
            f"prior: the predictor predicts the value after {predictor.n_epochs} epochs, max_epochs is "
            f"{max_epochs}"
        )
    given = dict(settings or {})
    if predictor is None and (prediction := sorted(set(PREDICTION) & set(given))):
        raise ConfigurationError(f"{prediction[0]} is a setting of a prediction: give a predictor as prior")
    common = {"max_epochs": max_epochs, "mode": mode}
    if predictor is None and BUDGET not in given:
        common = accepted(name, common)
    return make_scheduler(name, predictor, curves, **common, **given)


def make_stopping_variant(
    max_epochs: int, mode: Mode, prior: Prior | None, settings: Mapping[str, Any]
) -> Scheduler:
    """Return the scheduler that takes the place of one that pauses: `STOPPING`, with what both take.

    Parameters
    ----------
    max_epochs, mode, prior, settings
        As for `make_host_scheduler`, of the scheduler that pauses.

    Examples
    --------
    >>> variant = make_stopping_variant(9, "min", None, {"reduction_factor": 2})
    >>> type(variant).__name__, variant.reduction_factor
    ('StoppingASHA', 2)
    """
    predictor = None if prior is None else read_knowledge(prior, mode)
    if isinstance(predictor, LearningCurves):
        predictor = None
    kept = accepted(STOPPING, settings) | {
        key: value for key, value in settings.items() if key == BUDGET or (predictor and key in PREDICTION)
    }
    return make_host_scheduler(STOPPING, max_epochs, mode, predictor, kept)


def may_pause(name: str) -> bool:
    """Return whether a scheduler may pause trials; of one that another package brings it is assumed.

    Examples
    --------
    >>> may_pause("asha"), may_pause("promotion_asha")
    (False, True)
    """
    SCHEDULERS.check(name)
    return name not in NEVER_PAUSE


def check_mode(mode: Any) -> None:
    """Refuse what is no mode."""
    if mode not in ("min", "max"):
        raise ConfigurationError(f"mode: {mode!r}; it is min or max")


def as_configuration(parameters: Mapping[str, Any]) -> dict[str, Value]:
    """Return parameters of a trial as a configuration: what is no number, boolean or text becomes a text.

    Examples
    --------
    >>> as_configuration({"lr": 0.1, "layers": (8, 8), "dropout": None})
    {'lr': 0.1, 'layers': '(8, 8)', 'dropout': 'None'}
    """
    return {str(name): _as_value(value) for name, value in parameters.items()}


def _as_value(value: Any) -> Value:
    if isinstance(value, bool | str) or (hasattr(value, "__float__") and is_number(value)):
        return value
    return str(value)
