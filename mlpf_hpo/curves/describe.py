"""Describe any table of curves: its size and defects, spread, noise, ranks and hyperparameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlpf_hpo.curves.card import dataset_card
from mlpf_hpo.curves.columns import describe_features
from mlpf_hpo.curves.defects import count_defects
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.rank_settling import rank_settling, shown_epochs
from mlpf_hpo.curves.repeats import LARGEST, RepeatNoise, describe_repeat_noise, repeat_noise
from mlpf_hpo.curves.schema import LearningCurves, text_columns
from mlpf_hpo.number_format import fixed

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Of the final values."""

NORMAL_QUARTILES = 1.3489795003921634
"""Distance of the quartiles of a normal distribution, in standard deviations."""

SHOWN_NAMES = 6
"""At most so many categories of a hyperparameter, or metrics, are named in a text."""


def describe_curves(curves: LearningCurves) -> dict[str, Any]:
    """Return a description of a table of curves, as JSON.

    Returns
    -------
    dict
        The keys of the card (`card.dataset_card`), and: `lengths`, the smallest, median and largest number of
        observed epochs, and the number of curves with all of them; `resumed` and `censored`, numbers of
        curves, see `LearningCurves`; `ended_early`, number of curves that end before the last epoch and are
        neither censored nor diverged; `defects`, see `defects.count_defects`;
        `final_values`, their number and quantiles; `noise_to_spread`, the noise between repeats over the
        spread of final values, both on the scale of the noise, the spread being the distance of the quartiles
        over that of a normal distribution with standard deviation 1, None where one is not known; `ranks`,
        see `rank_settling.RankSettling`, or None; `ranges`, kind and values of each hyperparameter.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0, 1.0], [2.0, 3.0, 3.0], [4.0, 4.0, 4.0]]
    >>> configurations = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    >>> curves = LearningCurves.from_arrays(configurations, losses, TargetMetric("loss", "min"))
    >>> found = describe_curves(curves)
    >>> found["final_values"]["quantiles"]["0.5"], found["ranges"]["lr"]
    (3.0, {'kind': 'number', 'distinct': 3, 'least': 0.1, 'largest': 0.3})
    """
    noise, settling = repeat_noise(curves), rank_settling(curves)
    final = curves.final[np.isfinite(curves.final)]
    quantiles = {f"{q:g}": float(np.quantile(final, q)) for q in QUANTILES} if len(final) else {}
    return {
        **dataset_card(curves),
        "lengths": _lengths(curves),
        "resumed": int((curves.resumed > 0).sum()),
        "censored": int(curves.censored.sum()),
        "ended_early": _ended_early(curves),
        "defects": count_defects(curves),
        "final_values": {"count": len(final), "quantiles": quantiles},
        "noise_to_spread": None if noise is None else _noise_to_spread(curves, noise),
        "ranks": None if settling is None else settling.to_dict(),
        "ranges": {name: _range(curves, name) for name in curves.hyperparameters},
    }


def format_description(found: Mapping[str, Any], option: str = "--hyperparameters") -> str:
    """Return what `describe_curves` found as text, a line each; `option` is that of `describe_features`."""
    target = {"metric": found["target"], "mode": found["mode"]}
    defects = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in found["defects"].items() if n)
    lines = [
        f"{found['source']}: {found['curves']} curves of up to {found['epochs']} epochs, "
        f"{found['distinct_configurations']} distinct configurations",
        describe_features(target, found["hyperparameters"], found["left_out"], option),
        describe_left_out_rows(found["left_out_rows"], found["curves"]),
        f"status: {_counts(found['status'])}; hardware: {_counts(found['hardware'])}",
        _ends_text(found),
        f"metrics: {_metrics(found['metrics'])}; trained on: {found['data_digest'] or 'unknown data'}",
        f"rows: {defects or 'no repeats and no defects'}",
        _final_values(found["final_values"]),
        _noise(found),
        _ranks(found),
        *(f"{name}: {_range_text(one)}" for name, one in found["ranges"].items()),
    ]
    return "\n".join(line for line in lines if line)


def describe_ends(curves: LearningCurves) -> str:
    """Return the lengths of curves, and how many are censored and were resumed, as text.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0, 1.0], [2.0, 3.0, float("nan")]]
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], losses, target)
    >>> describe_ends(curves)
    'lengths: 2 to 3 epochs, median 2.5, 1 of 2 with all 3; censored: none; ended earlier: 1'
    """
    return _ends_text(
        {
            "curves": len(curves),
            "epochs": curves.n_epochs,
            "lengths": _lengths(curves),
            "resumed": int((curves.resumed > 0).sum()),
            "censored": int(curves.censored.sum()),
            "ended_early": _ended_early(curves),
        }
    )


def _ended_early(curves: LearningCurves) -> int:
    ended = known_lengths(curves.values) < curves.n_epochs
    return int((ended & ~curves.censored & (curves.status != "diverged")).sum())


def _lengths(curves: LearningCurves) -> dict[str, float]:
    lengths = known_lengths(curves.values)
    return {
        "least": int(lengths.min()),
        "median": float(np.median(lengths)),
        "largest": int(lengths.max()),
        "whole": int((lengths == curves.n_epochs).sum()),
    }


def _ends_text(found: Mapping[str, Any]) -> str:
    lengths, n = found["lengths"], found["censored"]
    censored = f"{n} (their last value is not their final one)" if n else "none"
    early = f"; ended earlier: {found['ended_early']}" if found["ended_early"] else ""
    resumed = f"; resumed: {found['resumed']}" if found["resumed"] else ""
    return (
        f"lengths: {lengths['least']} to {lengths['largest']} epochs, median {lengths['median']:g}, "
        f"{lengths['whole']} of {found['curves']} with all {found['epochs']}; "
        f"censored: {censored}{early}{resumed}"
    )


def _noise_to_spread(curves: LearningCurves, noise: RepeatNoise) -> float | None:
    final = curves.final[np.isfinite(curves.final)]
    low, high = np.quantile(np.log(final) if noise.log_scale else final, [0.25, 0.75])
    spread = (high - low) / NORMAL_QUARTILES
    return min(LARGEST, float(noise.std / spread)) if spread > 0 else None


def _range(curves: LearningCurves, name: str) -> dict[str, Any]:
    column = curves.configs[name]
    if text_columns(curves.configs, [name]) or column.dtype == bool:
        kind = "boolean" if column.dtype == bool else "category"
        return {"kind": kind, "values": dict(sorted(Counter(map(str, column)).items()))}
    values = np.unique(column.to_numpy(dtype=float))
    whole = bool((values == np.round(values)).all())
    return {
        "kind": "whole number" if whole else "number",
        "distinct": len(values),
        "least": float(values[0]),
        "largest": float(values[-1]),
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name or 'unknown'}" for name, n in counts.items())


def _metrics(names: Sequence[str]) -> str:
    """Return the names, or if they are many the number in each section."""
    if len(names) <= SHOWN_NAMES:
        return ", ".join(names)
    sections = Counter(name.partition("/")[0] for name in names)
    return f"{len(names)}: {', '.join(f'{n} of {section}' for section, n in sections.items())}"


def _final_values(final: Mapping[str, Any]) -> str:
    if not final["count"]:
        return "final values: none"
    quantiles = ", ".join(f"{value:.4g} ({float(q):.0%})" for q, value in final["quantiles"].items())
    return f"final values of {final['count']} curves, quantiles: {quantiles}"


def _noise(found: Mapping[str, Any]) -> str:
    text, ratio = f"repeats: {describe_repeat_noise(found['repeat_noise'])}", found["noise_to_spread"]
    return text if ratio is None else f"{text}, {fixed(ratio)} of the spread of final values"


def _ranks(found: Mapping[str, Any]) -> str:
    ranks = found["ranks"]
    if ranks is None:
        return "ranks: too few complete curves"
    at = [epoch - 1 for epoch in shown_epochs(found["epochs"])]
    settled = [
        f"{ranks['epochs'][i]}: "
        + " ".join(
            "-" if ranks[what][i] is None else fixed(ranks[what][i])
            for what in ("spearman", "reversed_pairs", "crossing_pairs")
        )
        for i in at
    ]
    return (
        f"ranks of {ranks['curves']} complete curves after an epoch (correlation with the last, share of "
        f"pairs reversed at the end, share that cross later): {'; '.join(settled)}"
    )


def _range_text(one: Mapping[str, Any]) -> str:
    if "values" not in one:
        return f"{one['kind']} from {one['least']:.4g} to {one['largest']:.4g}, {one['distinct']} distinct"
    items = list(one["values"].items())
    more = f" and {len(items) - SHOWN_NAMES} more" if len(items) > SHOWN_NAMES else ""
    return f"{one['kind']}: {', '.join(f'{value} ({n})' for value, n in items[:SHOWN_NAMES])}{more}"
