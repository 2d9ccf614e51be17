"""Tables of the published study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.number_format import fixed
from mlpf_hpo.number_format import interval as number_interval
from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.reporting.tables import Table
from studies.published.methods import QPU
from studies.published.outcome import CEILING, NULL, SCORES
from studies.published.paper import spread

PRINTED = {
    ("single", "svr"): ".959/.318/.889/.050",
    ("single", "annealing"): ".949/.383/.901/.045",
    ("single", QPU): ".948/.742/.880/.056",
    ("ensemble", QPU): ".927/.857/.899/.019",
}
"""Table 2 of the paper: best, worst, mean, standard deviation."""

HONEST_ROWS = {"single": "clean", "ensemble": "distinct"}
"""The row set that table 2 shows honest scores of: clean rows are too few for ensembles."""

NO_BREAK = "\N{NO-BREAK SPACE}"

SHOWN = ("svr", "annealing", QPU, NULL, CEILING, "zoom", PERSISTENCE)

SIZES = {"single": "20 rows", "ensemble": f"4{NO_BREAK}x{NO_BREAK}20 rows"}
WORDS = {
    "r2_loss": "R², loss",
    "r2_quantile": "R², quantiles",
    "spearman": "Spearman",
    "kendall": "Kendall",
    "top_recall": "top-10 recall",
}


def table_2(content: Mapping[str, Any], numbers: Mapping[str, Any]) -> Table:
    """Return table 2: as printed, rerun under the same protocol, and the honest scores beside."""
    rows = [_row(content, numbers, size, name) for size in SIZES for name in SHOWN]
    header = (
        "predictor",
        "trained on",
        "printed",
        "rerun, the paper's protocol",
        *(WORDS[metric] for metric in SCORES),
        "Spearman minus persistence",
    )
    row_sets = content["curves"]["row_sets"]
    clean, distinct = row_sets["clean"], row_sets["distinct"]
    caption = (
        "R²(prediction, truth) as best/worst/mean/std over splits: as printed, and rerun under the paper's "
        "protocol, flaws included; of its QSVRs the way to combine samples that was best on the test rows. "
        f"Then honest scores, means over {content['settings']['honest_splits']} splits: {clean['label']} "
        f"({clean['rows']} rows) for 20 rows; {distinct['label']} ({distinct['rows']}) for ensembles, as "
        "half of the clean configurations are fewer than 80. They are split by configuration, scalers are "
        "fitted on training rows, the target is the true last loss, samples are combined by training error. "
        "The annealer can't be asked again: its honest scores (marked *) are those of the stored solutions "
        "on new test rows, and compare with the next table only. Last column: paired, with its 95 % "
        "bootstrap interval over splits."
    )
    return Table(caption, header, rows)


def table_annealer(content: Mapping[str, Any], numbers: Mapping[str, Any]) -> Table:
    """Return the annealer's stored solutions minus every other method on the same rows."""
    rows = []
    for size in SIZES:
        differences = numbers["differences"][f"annealer new {size}"]
        splits = len(content["same_rows"][size]["new"][QPU]["r2_quantile"])
        for name in (NULL, CEILING, "annealing", "zoom", "svr", PERSISTENCE):
            pair = differences[f"{QPU}_minus_{name}"]
            cells = (interval(pair[metric]) for metric in SCORES)
            rows.append((content["labels"][name], SIZES[size], str(splits), *cells))
    header = ("annealer minus", "trained on", "splits", *(WORDS[metric] for metric in SCORES))
    caption = (
        "The stored solutions of the quantum annealer minus other methods trained on the same rows, on new "
        "test rows: positive where the annealer is better. Paired differences with 95 % bootstrap intervals "
        "over the few splits that are stored. Minus random bits: what sampling by quantum annealing added. "
        "Minus the exact regression: what it missed."
    )
    return Table(caption, header, rows)


def table_honest(content: Mapping[str, Any], numbers: Mapping[str, Any], rows_name: str) -> Table:
    """Return all honest scores of a row set, with differences to the null and the ceiling."""
    row_set = content["curves"]["row_sets"][rows_name]
    rows = []
    for size in row_set["sizes"]:
        for name in content["honest"][rows_name][size]:
            scores = numbers["honest"][rows_name][size][name]
            cells = [
                f"{fixed(scores[metric]['mean'])}{NO_BREAK}±{NO_BREAK}{fixed(scores[metric]['std'])}"
                for metric in SCORES
            ]
            pairs = numbers["differences"][f"honest {rows_name} {size}"]
            for others in (NULL, CEILING, PERSISTENCE):
                pair = pairs.get(f"{name}_minus_{others}")
                cells.append("–" if pair is None else interval(pair["r2_quantile"]))
            rows.append((content["labels"][name], SIZES[size], *cells))
    header = (
        "predictor",
        "trained on",
        *(WORDS[metric] for metric in SCORES),
        "minus null",
        "minus ceiling",
        "minus persistence",
    )
    caption = (
        f"{row_set['label'].capitalize()} ({row_set['rows']} rows), "
        f"{content['settings']['honest_splits']} splits: mean ± standard deviation over splits. "
        "Differences are of R² in quantiles, paired, with 95 % "
        "bootstrap intervals over splits."
    )
    return Table(caption, header, rows)


def interval(difference: Mapping[str, float]) -> str:
    """Return a difference with its interval, its spaces such that no line breaks there.

    Examples
    --------
    >>> interval({"mean": 0.0123, "low": -0.001, "high": 0.02}).replace(NO_BREAK, " ")
    '+0.012 [-0.001, +0.020]'
    """
    text = number_interval(difference["mean"], difference["low"], difference["high"], sign=True)
    return text.replace(" ", NO_BREAK)


def _row(content: Mapping[str, Any], numbers: Mapping[str, Any], size: str, name: str) -> tuple[str, ...]:
    printed = PRINTED.get((size, name), "–")
    if name == QPU:
        paper = _format_spread(_published_scores(content, size))
        scores = content["same_rows"][size]["new"][QPU]
        cells = [f"{fixed(float(np.mean(scores[metric])))}*" for metric in SCORES]
        pair = numbers["differences"][f"annealer new {size}"][f"{QPU}_minus_{PERSISTENCE}"]
        return content["labels"][name], SIZES[size], printed, paper, *cells, interval(pair["spearman"]) + "*"
    paper = _format_spread(spread(content["paper"][size][name]))
    honest = numbers["honest"][HONEST_ROWS[size]][size][name]
    cells = [fixed(honest[metric]["mean"]) for metric in SCORES]
    pairs = numbers["differences"][f"honest {HONEST_ROWS[size]} {size}"]
    pair = pairs.get(f"{name}_minus_{PERSISTENCE}")
    last = "–" if pair is None else interval(pair["spearman"])
    return content["labels"][name], SIZES[size], printed, paper, *cells, last


def _published_scores(content: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Return the spread of the R² that the stored solutions give back, of the way with the highest mean."""
    scores: dict[str, list[float]] = {}
    for value in content["reproduced"]["values"]:
        if (value["what"] == "ensemble") == (size == "ensemble"):
            scores.setdefault(value["what"], []).append(value["recomputed"])
    return spread(scores)


def _format_spread(scores: Mapping[str, Any]) -> str:
    numbers: Sequence[float] = [scores[key] for key in ("best", "worst", "mean", "std")]
    text = "/".join(fixed(number).replace("0.", ".", 1) for number in numbers)
    return f"{text} ({scores['splits']})".replace(" ", NO_BREAK)
