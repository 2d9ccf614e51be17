"""Contribution of the quantum annealer: its stored solutions against other methods on the same rows.

Null, ceiling and the classical samplers learn from the same training rows; all predict the same test rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.predictors.qubo import DualQubo, Encoding, dual_qubo
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers.exact import lowest_objective
from mlpf_hpo.predictors.scoring import score
from studies.published.data import PaperSplit, PublishedCurves, PublishedSolutions
from studies.published.methods import QPU, Method
from studies.published.paper import fitted_members, last_seen
from studies.published.solutions import (
    BLOCK,
    Ways,
    ensemble_prediction,
    fitted_ways,
    ways_of_stored,
)

FloatArray = NDArray[np.float64]

BY_TRAINING_ERROR = "best"
"""The way to combine samples: the one of least training error, which no test row chose."""

ASSUMED = "single_first_20"
"""Kind of comparison that an earlier version of this study made by mistake."""

XI = 0.01


def same_rows(
    curves: PublishedCurves, stored: PublishedSolutions, fitted: Mapping[str, Method]
) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    """Return scores on the splits of the stored solutions.

    Returns
    -------
    dict
        "single" or "ensemble" -> "all" or "new" test rows -> method -> score -> one value per split. "new"
        are those of `new_rows`. `ASSUMED` are the singles beside methods that learn from the first 20 rows
        of the split: not those that the annealer learnt from.
    """
    out: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
    kinds = {"single": stored.singles, "ensemble": stored.ensembles, ASSUMED: stored.singles}
    for kind, solutions in kinds.items():
        for solution in solutions:
            seed = solution["split_seed"]
            split = curves.split(seed, BLOCK) if kind == ASSUMED else curves.split_of(solution)
            predictions = _predictions(kind, curves, solution, split, fitted)
            for rows, kept in {"all": np.ones(len(split.test), bool), "new": new_rows(curves, split)}.items():
                for name, predicted in predictions.items():
                    by_metric = out.setdefault(kind, {}).setdefault(rows, {}).setdefault(name, {})
                    for metric, value in _scores(curves, split, predicted, kept).items():
                        by_metric.setdefault(metric, []).append(value)
    return out


def new_rows(curves: PublishedCurves, split: PaperSplit) -> NDArray[np.bool_]:
    """Return which test rows are clean: a configuration that no training row has, once, without a restart."""
    groups = curves.curves.groups
    unseen = ~np.isin(groups[split.test], groups[split.train])
    return np.asarray(unseen & curves.clean(split.test))


def reproduced(curves: PublishedCurves, stored: PublishedSolutions) -> dict[str, Any]:
    """Return every published R² that the stored solutions give back, and what can't be computed.

    Returns
    -------
    dict
        `values` (split_seed, what, published, recomputed), `largest_error`, `not_possible` (list of str).
    """
    values = []
    for single in stored.singles:
        split = curves.split_of(single)
        models = ways_of_stored(single).values()
        for name, model in zip(stored.methods, models, strict=True):
            found = float(r2_score(model.predict(split.X_test), split.y_test))
            values.append(_comparison(single["split_seed"], name, single["r2_pred_true"][name], found))
    for ensemble in stored.ensembles:
        split = curves.split_of(ensemble)
        members = [ways_of_stored(member) for member in ensemble["members"]]
        found = float(r2_score(ensemble_prediction(members, split), split.y_test))
        values.append(_comparison(ensemble["split_seed"], "ensemble", ensemble["r2_pred_true"], found))
    return {
        "values": values,
        "largest_error": max(abs(value["published"] - value["recomputed"]) for value in values),
        "not_possible": [
            "how the singles' samples were combined: they are not stored, only what was made of them",
            "choosing among all reads of the annealer by training error: of 1000 reads only the four of "
            "lowest energy are stored",
            "asking the annealer again: the study shows what it returned once, for each training set",
        ],
    }


def examples(
    curves: PublishedCurves, stored: PublishedSolutions, fitted: Mapping[str, Method], seed: int
) -> dict[str, dict[str, list[float]]]:
    """Return predictions of one split, for drawings: quantiles of the test rows.

    Returns
    -------
    dict
        "single": the SVR and the truth on the paper's split of `seed`; "ensemble": the stored solution, null,
        ceiling and truth on the split of the first stored ensemble.
    """
    split = curves.split(seed, BLOCK)
    (svr,) = fitted_ways(fitted["svr"].regressor(seed), split.X_train, split.y_train).values()
    single = {"true": split.y_test, "svr": svr.predict(split.X_test), PERSISTENCE: last_seen(curves, split)}
    solution = stored.ensembles[0]
    split = curves.split_of(solution)
    both = {name: fitted[name] for name in ("random_bits", "exact")}
    ensemble = {"true": split.y_test, **_predictions("ensemble", curves, solution, split, both)}
    return {
        kind: {name: [float(value) for value in values] for name, values in predictions.items()}
        for kind, predictions in (("single", single), ("ensemble", ensemble))
    }


def energies(stored: PublishedSolutions, fitted: Mapping[str, Method]) -> dict[str, list[float]]:
    """Return the lowest energy that each sampler found for every member of the stored ensembles.

    "optimum" is the minimum in the box off the lattice, which bounds them all. The exact regression is not
    among them: it keeps Σd = 0, of which the energy has a penalty only.
    """
    found: dict[str, list[float]] = {QPU: []}
    for number, member in enumerate(member for one in stored.ensembles for member in one["members"]):
        qubo = qubo_of(member)
        kept = np.reshape(member["kept_samples"], (-1, 2, len(qubo.y)))
        found[QPU].append(float(qubo.objective(kept).min()))
        found.setdefault("optimum", []).append(lowest_objective(qubo))
        for name, method in fitted.items():
            model = method.regressor(number)
            if isinstance(model, QSVR):
                model.fit(member["X_train"], member["y_train"])
                found.setdefault(name, []).append(float(model.lowest_energy_))
    return found


def qubo_of(solution: Mapping[str, Any]) -> DualQubo:
    """Return the QUBO that a stored solution answers."""
    encoding = Encoding(solution["n_bits"], solution["base"], solution["k0"])
    kernel = rbf_kernel(solution["X_train"], gamma=solution["gamma"])
    return dual_qubo(kernel, np.asarray(solution["y_train"]), solution["epsilon"], XI, encoding)


def _predictions(
    kind: str,
    curves: PublishedCurves,
    solution: Mapping[str, Any],
    split: PaperSplit,
    fitted: Mapping[str, Method],
) -> dict[str, FloatArray]:
    """Return every method's prediction of the test rows, in quantiles."""
    seed = solution["split_seed"]
    out = {PERSISTENCE: last_seen(curves, split)}
    if kind != "ensemble":
        out[QPU] = _by_training_error(ways_of_stored(solution)).predict(split.X_test)
        for name, method in fitted.items():
            ways = fitted_ways(method.regressor(seed, paper=True), split.X_train, split.y_train)
            out[name] = _by_training_error(ways).predict(split.X_test)
    else:
        out[QPU] = ensemble_prediction([ways_of_stored(member) for member in solution["members"]], split)
        for name, method in fitted.items():
            out[name] = ensemble_prediction(fitted_members(method, split, seed), split)
    return out


def _by_training_error(ways: Ways) -> Any:
    return ways.get(BY_TRAINING_ERROR) or next(iter(ways.values()))


def _scores(
    curves: PublishedCurves, split: PaperSplit, predicted: FloatArray, rows: NDArray[np.bool_]
) -> dict[str, float]:
    """Return scores of the test rows that are kept: the paper's, and honest ones of the last loss."""
    true = curves.curves.final[split.test][rows]
    quantile = predicted[rows]
    scores = score(true, curves.to_loss(quantile), curves.to_quantile(true), quantile)
    return {"r2_paper": float(r2_score(quantile, split.y_test[rows])), **scores}


def _comparison(seed: int, what: str, published: float, recomputed: float) -> dict[str, Any]:
    return {"split_seed": seed, "what": what, "published": published, "recomputed": recomputed}
