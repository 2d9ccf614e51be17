"""Tables of the page: table 2, every predictor on the design half, the selected one on the final half."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpf_hpo.number_format import fixed, interval
from mlpf_hpo.predictors.criteria import PERSISTENCE, SELECTED
from mlpf_hpo.reporting.figures import name_of
from mlpf_hpo.reporting.tables import Table
from studies.published.corrected_protocol import SIZES

COLUMNS = {
    "spearman": "Spearman",
    "top_recall": "top-10 recall",
    "r2_quantile": "R², quantiles",
    "log_mae": "error of logarithms",
    "coverage": "coverage, all",
    "coverage_best_tenth": "coverage, best tenth",
}

DECIMALS = {"log_mae": 3}
"""Of scores that two decimals would not tell apart."""


def table_2(found: Mapping[str, Any]) -> Table:
    """Return the paper's table 2 on these curves."""
    rows: list[tuple[str, ...]] = []
    for size, points in SIZES.items():
        if found[size] is None:
            missing = f"not possible: half of {found['curves']} configurations are fewer than {points}"
            rows.append((f"{size}, {points} curves", missing))
            continue
        for name, one in found[size].items():
            scores = np.array(one["scores"]["r2_quantile"])
            numbers = scores.max(), scores.min(), scores.mean(), scores.std()
            rank = fixed(float(np.mean(one["scores"]["spearman"])))
            cells = (str(points), str(one["splits"]), *(fixed(float(number)) for number in numbers), rank)
            several = "four of: " if size == "ensemble" and name != PERSISTENCE else ""
            rows.append((several + one["label"], *cells))
    caption = (
        "Table 2 in the paper's manner, without its leaks: R²(truth, prediction) in quantiles over splits, "
        f"{found['known_epochs']} of {found['n_epochs']} epochs seen of {found['curves']} configurations, "
        "one training each, both halves of the data set: the methods are fixed. Random bits stand where the "
        "sampler's would."
    )
    header = ("predictor", "training curves", "splits", "best", "worst", "mean", "std", "Spearman, mean")
    return Table(caption, header, rows)


def table_of_scores(found: Mapping[str, Any], at: Mapping[str, Any]) -> Table:
    """Return the scores of every predictor at one share, best rank correlation first."""
    scores = at["scores"]
    rows = []
    for name in sorted(scores, key=lambda name: -scores[name]["spearman"]["mean"]):
        over = at["over_persistence"][name]
        difference = (
            "–" if name == PERSISTENCE else interval(over["mean"], over["low"], over["high"], 3, True)
        )
        rows.append((name_of(name), *(fixed(scores[name][key]["mean"]) for key in COLUMNS), difference))
    chosen = ", ".join(f"{name_of(name)} {n} times" for name, n in at["chosen"].items())
    caption = (
        f"{at['share']:.0%} of the curve seen ({at['known_epochs']} of {found['n_epochs']} epochs): means "
        f"over {found['splits']} splits of the design half, {found['train']} curves to train on, at least "
        f"{at['test']} to test on. {name_of(SELECTED)} was {chosen}. Intervals have a nominal coverage of "
        f"{found['coverage']:.2f}. Last column: paired, with its 95 % bootstrap interval over splits."
    ).replace("%", " %", 1)
    header = ("predictor", *COLUMNS.values(), "Spearman minus persistence")
    return Table(caption, header, rows)


def table_of_final_half(found: Mapping[str, Any]) -> Table:
    """Return the scores of the selected predictor and of persistence on the final half."""
    rows = []
    for at in found["shares"]:
        for name, scores in at["scores"].items():
            who = f"selected: {name_of(at['winner'])}" if name == SELECTED else name_of(name)
            cells = (
                interval(one["mean"], one["low"], one["high"], DECIMALS.get(key, 2))
                for key, one in ((key, scores[key]) for key in COLUMNS)
            )
            rows.append((f"{at['known_epochs']} epochs, {who}", *cells))
    caption = (
        f"Selected and fitted on {found['train']} curves of the design half, measured once on "
        f"{found['test']} curves of the final half; 95 % bootstrap intervals over configurations. "
        f"Intervals have a nominal coverage of {found['coverage']:.2f}."
    )
    return Table(caption, ("predictor", *COLUMNS.values()), rows)
