"""Scores of the study: spreads over splits, and paired differences with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.predictors.paired_difference import paired_difference
from mlpf_hpo.seeds import derive_seed
from studies.published import reads
from studies.published.methods import QPU
from studies.published.paper import spread

SCORES = ("r2_loss", "r2_quantile", "spearman", "kendall", "top_recall")
"""Honest scores that tables show."""

NULL, CEILING = "random_bits", "exact"


def outcome(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study's numbers, without the scores of single splits.

    Returns
    -------
    dict
        ``paper.SIZE.METHOD.{best,worst,mean,std,splits}``, ``honest.ROWS.SIZE.METHOD.SCORE.{mean,std}``,
        ``same_rows.SIZE.ROWS.METHOD.SCORE``, ``differences.PLACE.A_minus_B.SCORE.{mean,low,high}``,
        ``energies.METHOD``, ``reads.SAMPLER.NUMBER``, ``null.NUMBER``,
        ``precision.TOPOLOGY.STRENGTH.CONTROL.NUMBER`` and ``reproduced.largest_error``.
    """
    differences: dict[str, Any] = {}
    for place, ours, others, metric, difference in iterate_differences(content):
        pair = differences.setdefault(place, {}).setdefault(f"{ours}_minus_{others}", {})
        pair[metric] = difference
    return {
        "paper": {
            size: {name: _without_scores(spread(scores)) for name, scores in methods.items()}
            for size, methods in content["paper"].items()
        },
        "honest": {
            rows: {
                size: {name: _summary(scores) for name, scores in methods.items()}
                for size, methods in sizes.items()
            }
            for rows, sizes in content["honest"].items()
        },
        "same_rows": {
            size: {
                rows: {
                    name: {metric: float(np.mean(values)) for metric, values in scores.items()}
                    for name, scores in methods.items()
                }
                for rows, methods in row_sets.items()
            }
            for size, row_sets in content["same_rows"].items()
        },
        "differences": differences,
        "energies": _means(content["energies"]),
        "reads": {
            name: _means({key: values for key, values in found.items() if key not in reads.DRAWN_KEYS})
            for name, found in content["reads"].items()
        },
        "null": _means(content["null"]),
        "precision": {
            topology: {
                strength: {control: _means(found) for control, found in controls.items()}
                for strength, controls in strengths.items()
            }
            for topology, strengths in content["precision"].items()
        },
        "reproduced": {"largest_error": content["reproduced"]["largest_error"]},
    }


def headline(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few numbers of an outcome that `dvc metrics` compares."""
    differences = numbers["differences"]
    return {
        "paper": numbers["paper"],
        "honest": {
            rows: {
                size: {
                    name: {metric: scores[metric]["mean"] for metric in ("r2_quantile", "spearman")}
                    for name, scores in methods.items()
                }
                for size, methods in sizes.items()
            }
            for rows, sizes in numbers["honest"].items()
        },
        "annealer": {
            size: {pair: found["r2_quantile"] for pair, found in differences[f"annealer new {size}"].items()}
            for size in numbers["same_rows"]
        },
        **{name: numbers[name] for name in ("energies", "reads", "null", "precision")},
        "reproduced": numbers["reproduced"],
    }


def iterate_differences(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, dict[str, float]]]:
    """Yield (place, ours, others, score, paired difference).

    On the honest splits every method minus persistence, minus the null and minus the ceiling; on the rows of
    the stored solutions the annealer minus each other method; of reads see `_differences_of_reads`.
    """
    settings = content["settings"]
    for rows, sizes in content["honest"].items():
        for size, methods in sizes.items():
            for others in (PERSISTENCE, NULL, CEILING):
                for ours in methods:
                    if ours != others:
                        yield from _differences(f"honest {rows} {size}", methods, ours, others, settings)
    for size, row_sets in content["same_rows"].items():
        for rows, methods in row_sets.items():
            for others in methods:
                if others != QPU:
                    yield from _differences(f"annealer {rows} {size}", methods, QPU, others, settings)
    yield from _differences_of_reads(content["reads"], settings)


def _differences_of_reads(
    found: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str, dict[str, float]]]:
    """Yield what choosing among all reads gains, and what the minimum gains over either choice."""
    for name in reads.SAMPLERS:
        scores = found[name]
        pairs = {
            (f"{name}_all", f"{name}_lowest"): (scores["all_reads"], scores["four_lowest"]),
            ("minimum", f"{name}_all"): (found["zoom"]["all_reads"], scores["all_reads"]),
            ("minimum", f"{name}_lowest"): (found["zoom"]["all_reads"], scores["four_lowest"]),
        }
        for (ours, others), (first, second) in pairs.items():
            seed = derive_seed(settings["seed"], "difference", "reads", ours, others)
            yield (
                "reads",
                ours,
                others,
                "r2_quantile",
                paired_difference(first, second, seed, draws=settings["draws"]),
            )


def _differences(
    place: str, methods: Mapping[str, Any], ours: str, others: str, settings: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str, dict[str, float]]]:
    for metric in SCORES:
        seed = derive_seed(settings["seed"], "difference", place, ours, others, metric)
        difference = paired_difference(
            methods[ours][metric], methods[others][metric], seed, draws=settings["draws"]
        )
        yield place, ours, others, metric, difference


def _means(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in found.items()}


def _summary(scores: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        metric: {"mean": float(np.mean(values)), "std": float(np.std(values))}
        for metric, values in scores.items()
    }


def _without_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if name != "r2_scores"}
