"""Compare replayed schedulers: figures with intervals, epochs at equal regret, ratios to yardsticks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.search.anytime import EXACT, RegretScale, epochs_at, untrained_regret
from mlpf_hpo.search.draws import Draw, Sizes
from mlpf_hpo.search.replay import ReplayedSearch, Replays, figures
from mlpf_hpo.search.resampling import Resampling
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.stated_regret import Missed
from mlpf_hpo.search.yardsticks import OURS as OUR_SPEC
from mlpf_hpo.search.yardsticks import (
    RATIO_TO,
    THRESHOLDS,
    FamilyScore,
    cold_families,
    prior_families,
    score_family,
)

FIGURES = ("epochs", "regret", "regret_in_metric", "makespan")
FRONTIER = (0.5, 0.3, 0.2, 0.1, 0.07, 0.05, 0.03, 0.02, 0.015, 0.01, 0.005, 0.002, 0.001)
"""Regrets of the frontier."""

Families = Mapping[str, Sequence[SchedulerSpec]]
PREDICTED = "predicted_promotion"
OURS = "ours"
"""The family that the others are yardsticks of."""


def families_for(draw: Draw) -> dict[str, tuple[SchedulerSpec, ...]]:
    """Return the families that are compared; those that a draw's prior allows no use of have no settings."""
    n_epochs = draw.searched.n_epochs
    of_prior = prior_families(n_epochs)
    usable = {"best_null": draw.prior is not None, PREDICTED: draw.predicts}
    return {
        **cold_families(n_epochs),
        **{name: members if usable[name] else () for name, members in of_prior.items()},
        OURS: (OUR_SPEC,),
    }


def compare(
    named: Mapping[str, SchedulerSpec], families: Families, replays: Replays, sizes: Sizes, n_epochs: int
) -> dict[str, Any]:
    """Return what replays say of schedulers and families of schedulers, as JSON.

    Parameters
    ----------
    named : mapping of str to SchedulerSpec
        Name in the result -> a scheduler that was replayed.
    families : mapping
        Name -> its settings, all replayed; empty for a family that does not apply. `OURS` is one of them.
    replays : mapping
        Text of each setting -> its searches, one per seed.
    sizes : Sizes
        Of the searches.
    n_epochs : int
        Number of epochs of a full training. A family that never reaches a regret counts as
        ``sizes.searched * n_epochs``.

    Returns
    -------
    dict
        ``schedulers.NAME.{epochs,regret,regret_in_metric,makespan}.{mean,low,high}`` and
        ``schedulers.NAME.per_seed``, ``schedulers.NAME.best_abandoned`` and ``none_trained_in_full``, shares
        of the searches; ``schedulers.NAME.calibration.FIELD.{nominal,actual}.{mean,low,high}``, what the
        scheduler states that it missed and what it did, fields as in `Missed`, None of one that does not
        state it in every search; ``never``, what counts where a regret is never reached;
        ``epochs_at.REGRET.FAMILY``; ``best_setting.REGRET.FAMILY``;
        ``ratio_to.FAMILY.REGRET.{mean,low,high}``, epochs of ours over theirs;
        ``frontier.{regret,FAMILY}``, epochs at each of some regrets, None where it is never reached. Families
        that do not apply are None. Intervals: see `Resampling`.
    """
    n_seeds = len(next(iter(replays.values())))
    resampling, never = Resampling.of(n_seeds, sizes), sizes.searched * n_epochs
    scores = {
        str(regret): {
            name: score_family(members, replays, regret, never, resampling) if members else None
            for name, members in families.items()
        }
        for regret in THRESHOLDS
    }
    by_regret = scores.items()
    return {
        "never": never,
        "schedulers": {name: _figures(replays, spec, resampling) for name, spec in named.items()},
        "epochs_at": {
            regret: {name: one and one.epochs for name, one in of.items()} for regret, of in by_regret
        },
        "best_setting": {
            regret: {name: one and one.best for name, one in of.items()} for regret, of in by_regret
        },
        "ratio_to": {
            name: {regret: _ratio(of[OURS], of[name], resampling, sizes) for regret, of in by_regret}
            for name in RATIO_TO
        },
        "frontier": {"regret": list(FRONTIER), **_frontiers(families, replays)},
    }


def untrained_best(draws: Sequence[Draw], sizes: Sizes) -> dict[str, Any]:
    """Return the figures of training nothing, and taking the prior's best configuration, as of a scheduler.

    The priors are of the searched curves' own task.
    """
    resampling = Resampling.of(len(draws), sizes)
    regrets = [untrained_regret(draw.searched, draw.prior) for draw in draws if draw.prior is not None]
    units = [RegretScale.of(draw.searched).unit for draw in draws]
    values = {"regret": np.array(regrets), "regret_in_metric": np.array(regrets) * units}
    nothing = {"mean": 0.0, "low": 0.0, "high": 0.0}
    return {"epochs": nothing, "makespan": nothing} | {
        name: resampling.mean(one) for name, one in values.items()
    }


def _figures(replays: Replays, spec: SchedulerSpec, resampling: Resampling) -> dict[str, Any]:
    searches = replays[str(spec)]
    values = figures(searches, *FIGURES)
    means = {name: resampling.mean(values[:, i]) for i, name in enumerate(FIGURES)}
    per_seed = {name: values[:, i].tolist() for i, name in enumerate(FIGURES)}
    shares = {
        "best_abandoned": float(np.mean([search.regret > EXACT for search in searches])),
        "none_trained_in_full": float(np.mean([not search.found for search in searches])),
    }
    return {**means, **shares, "calibration": _calibration(searches, resampling), "per_seed": per_seed}


def _calibration(searches: Sequence[ReplayedSearch], resampling: Resampling) -> dict[str, Any] | None:
    stated = [search.stated for search in searches if search.stated is not None]
    if len(stated) < len(searches):
        return None
    nominal, actual = np.array([(one.nominal, one.actual) for one in stated]).transpose(1, 2, 0)
    return {
        name: {"nominal": resampling.mean(nominal[i]), "actual": resampling.mean(actual[i])}
        for i, name in enumerate(Missed._fields)
    }


def _ratio(
    ours: FamilyScore | None, theirs: FamilyScore | None, resampling: Resampling, sizes: Sizes
) -> dict[str, float] | None:
    if ours is None or theirs is None:
        return None
    # A regret is reached by one full training at the least, and never reached counts as all of them.
    largest = sizes.searched
    return resampling.ratio(ours.epochs / theirs.epochs, ours.resampled / theirs.resampled, largest)


def _frontiers(families: Families, replays: Replays) -> dict[str, list[float | None] | None]:
    """Return for each family the epochs at which its best setting reaches each regret of the frontier."""
    found: dict[str, list[float | None] | None] = {}
    for name, members in families.items():
        stairs = [[search.anytime for search in replays[str(one)]] for one in members]
        least = [min(float(epochs_at(one, r, math.inf)[0]) for one in stairs) for r in FRONTIER if stairs]
        found[name] = [epochs if math.isfinite(epochs) else None for epochs in least] or None
    return found
