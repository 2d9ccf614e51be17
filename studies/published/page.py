"""The page of the published study: its tables redone, a corrected protocol, the share of the annealer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.files import write_json, write_text
from mlpf_hpo.reporting.page import render_page
from studies.published import figures
from studies.published.data import PublishedCurves
from studies.published.outcome import headline, outcome
from studies.published.reads_figure import figure_reads
from studies.published.statements import about_reads, changes, lead
from studies.published.tables import table_2, table_annealer, table_honest

TITLE = "The published study, done again"


def build_published_report(content: Mapping[str, Any], curves: PublishedCurves, out: Path) -> Path:
    """Write the page and the numbers for `dvc metrics`.

    Parameters
    ----------
    content : mapping
        Of `studies.published.steps.run_study`.
    curves : PublishedCurves
        Drawn in figure 3.
    out : path
        Folder: index.html, metrics.json.

    Returns
    -------
    path
        The page.
    """
    numbers = outcome(content)
    write_json(out / "metrics.json", headline(numbers))
    page = out / "index.html"
    write_text(page, render_page("study.html", Path(__file__).parent, **_values(content, numbers, curves)))
    return page


def _values(
    content: Mapping[str, Any], numbers: Mapping[str, Any], curves: PublishedCurves
) -> dict[str, Any]:
    """Return what ``study.html`` shows."""
    reproduced = content["reproduced"]
    return {
        "title": TITLE,
        "lead": lead(numbers),
        "table_2": table_2(content, numbers),
        "contribution": figures.figure_contribution(content),
        "table_annealer": table_annealer(content, numbers),
        "changes": changes(numbers),
        "reads": figure_reads(content, numbers),
        "reads_say": about_reads(numbers),
        "panels": [
            figures.figure_energies(content),
            figures.figure_3(curves),
            figures.figure_4(content),
            figures.figure_5(content),
            figures.figure_6(content),
        ],
        "tables_honest": [table_honest(content, numbers, rows) for rows in content["honest"]],
        "reproduced": (
            f"{len(reproduced['values'])} published R² follow from the stored solutions; the largest "
            f"difference is {reproduced['largest_error']:.0e}. Not possible:"
        ),
        "not_possible": reproduced["not_possible"],
        "flaws": _flaws(content),
    }


def _flaws(content: Mapping[str, Any]) -> list[str]:
    curves = content["curves"]
    return [
        f"{curves['configurations']} configurations are in {curves['rows']} rows: random splits put the "
        "same one on both sides.",
        f"{curves['restarted']} rows restart: the loss at their last epoch is not that after 100 epochs.",
        "Scalers were fitted on all rows, test rows included; the row with the largest loss was left out "
        "first.",
        "R² was called with prediction and truth exchanged, on the loss at epoch 98, in quantiles.",
        "The best of seven ways to combine samples was chosen on the test rows; members of an ensemble by "
        "the other members' training rows, and weighted, which the text calls an average.",
        "The bias has the wrong sign of ε for α̂, and C = 67.61 never binds: three bits end at 1.756.",
    ]
