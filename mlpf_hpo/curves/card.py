"""The data set card: counts, statuses and columns of a learning-curve data set, as JSON and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.columns import describe_left_out
from mlpf_hpo.curves.left_out_rows import describe_left_out_rows
from mlpf_hpo.curves.repeats import describe_repeat_noise, repeat_noise
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError, did_you_mean

REMARKS = ("what", "how", "why", "licence", "limits")
"""Headings of what a person says about a data set: every shipped one has them all."""

SCHEMA = Path(__file__).with_name("card.schema.json")
"""JSON schema of a card."""


def dataset_card(curves: LearningCurves, remarks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the card of a data set: its source, its size, and how many curves have a defect.

    Parameters
    ----------
    curves : LearningCurves
    remarks : mapping of str to str, optional
        Heading, one of `REMARKS`, -> text.

    Raises
    ------
    DataError
        If there is no such heading, or something else than a text below it.
    """
    for heading, text in (remarks or {}).items():
        if heading not in REMARKS:
            hint = did_you_mean(str(heading), REMARKS)
            raise DataError(f"card: no heading {heading!r}{hint}; there are {', '.join(REMARKS)}")
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"card: {heading} must be a text")
    noise = repeat_noise(curves)
    return {
        "source": curves.source,
        "target": curves.metric,
        "mode": curves.mode,
        "curves": len(curves),
        "epochs": curves.n_epochs,
        "distinct_configurations": int((~curves.duplicated).sum()),
        "duplicated_rows": int(curves.duplicated.sum()),
        "complete": int(curves.complete.sum()),
        "truncated": int(curves.truncated.sum()),
        "restarted": int((curves.restart_epoch >= 0).sum()),
        "status": dict(sorted(Counter(curves.status.tolist()).items())),
        "hardware": dict(sorted(Counter(curves.hardware.tolist()).items())),
        "hyperparameters": list(curves.hyperparameters),
        "left_out": dict(curves.left_out),
        "left_out_rows": dict(curves.left_out_rows),
        "stopped": int(curves.stopped.sum()),
        "own_targets": curves.own_targets,
        "repeat_noise": None if noise is None else noise.to_dict(),
        "metrics": list(curves.metrics),
        "data_digest": curves.data_digest,
        "remarks": dict(remarks or {}),
    }


def format_card(card: dict[str, Any]) -> str:
    """Return a card as Markdown."""
    statuses = ", ".join(f"{n} {name}" for name, n in card["status"].items())
    hardware = ", ".join(f"{n} on {name or 'unknown hardware'}" for name, n in card["hardware"].items())
    rows = describe_left_out_rows(card["left_out_rows"], card["curves"])
    said = card["remarks"]
    remarks = "".join(
        f"\n## {heading.capitalize()}\n\n{said[heading].strip()}\n" for heading in REMARKS if heading in said
    )
    ends = "\n- Target epochs: each curve has its own (`target_epoch`)" if card["own_targets"] else ""
    left_out = f"; left out: {describe_left_out(card['left_out'])}" if card["left_out"] else ""
    return f"""# Learning curves: {card["source"]}

{card["curves"]} curves of up to {card["epochs"]} epochs; the target is `{card["target"]}`, to be
{"minimised" if card["mode"] == "min" else "maximised"}. Column 0 is the value after the first epoch.

| | rows |
|---|---|
| distinct configurations | {card["distinct_configurations"]} |
| rows whose configuration stands in an earlier row | {card["duplicated_rows"]} |
| complete: every epoch finite, no restart | {card["complete"]} |
| truncated: ended before the last epoch, or diverged | {card["truncated"]} |
| stopped before their end, as far as that is known | {card["stopped"]} |
| restarted: jumped back and replayed the beginning | {card["restarted"]} |

- Status: {statuses}
- Hardware: {hardware}
- Hyperparameters: {", ".join(card["hyperparameters"])}{left_out}
- Metrics per epoch: {", ".join(card["metrics"])}{ends}
- Rows: {rows or "none left out"}
- Repeats: {describe_repeat_noise(card["repeat_noise"])}
- Trained on: {card["data_digest"] or "unknown"}
{remarks}"""
