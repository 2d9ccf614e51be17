"""The page of the campaign's curves, and the numbers for `dvc metrics`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.files import write_json, write_text
from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.style import Panel
from studies.campaign import configuration_figures as configurations
from studies.campaign import curve_figures as of_curves
from studies.campaign import predictor_figures as predictors
from studies.campaign.data import StudyTables
from studies.campaign.findings import headline
from studies.campaign.predictor_tables import table_2, table_of_final_half, table_of_scores
from studies.campaign.statements import completeness, lead

TITLE = "What our learning curves say"


def build_campaign_report(records: Mapping[str, Any], tables: StudyTables, out: Path) -> Path:
    """Write index.html and metrics.json into a folder; return the page.

    Parameters
    ----------
    records : mapping
        "analysis": of `findings.find_all`; "table_2": of `paper_table`; "predictors": of `design_scores`;
        "final_half": of `final_scores`, None before it was measured.
    tables : StudyTables
        The curves that figures draw.
    out : Path
        The folder.
    """
    found = records["analysis"]
    write_json(out / "metrics.json", {**headline(found), **headline_of_predictors(records)})
    page = out / "index.html"
    values = {
        "title": TITLE,
        "completeness": completeness(found),
        "lead": lead(found),
        "panels": panels_of_table(tables.main, found["main"], "") + panels_of_companions(found),
        "table_2": table_2(records["table_2"]),
        "of_predictors": panels_of_predictors(records),
        "tables": [table_of_scores(records["predictors"], one) for one in records["predictors"]["shares"]],
        "final_half": None if records["final_half"] is None else table_of_final_half(records["final_half"]),
        "published": None
        if tables.published is None or found["published"] is None
        else panels_of_table(tables.published, found["published"], "published-"),
    }
    write_text(page, render_page("study.html", Path(__file__).parent, **values))
    return page


def panels_of_table(curves: LearningCurves, found: Mapping[str, Any], prefix: str) -> list[Panel]:
    """Return the figures of a table; those that its rows do not allow are left out."""
    panels = [
        of_curves.figure_1(curves, found, prefix),
        of_curves.figure_3(curves, found, prefix),
        of_curves.figure_settling(found, prefix),
        configurations.figure_importance(found, prefix),
        configurations.figure_parallel(curves, prefix),
        configurations.figure_noise(curves, found, prefix),
        configurations.figure_cost(curves, found, prefix),
    ]
    return [panel for panel in panels if panel is not None]


def panels_of_companions(found: Mapping[str, Any]) -> list[Panel]:
    """Return the figures of the second task and of the longer trainings, where there are such tables."""
    longer = found["longer"]
    epochs = ("", "") if longer is None else (longer["epochs"], longer["n_epochs"])
    panels = [
        configurations.figure_agreement(
            found["second_task"],
            "figure-second-task",
            "Ranks on the second task",
            ("on the second task", "on the first task"),
        ),
        configurations.figure_agreement(
            longer,
            "figure-longer",
            "Do ranks hold in longer trainings?",
            (f"after {epochs[0]} epochs", f"after {epochs[1]}"),
        ),
    ]
    return [panel for panel in panels if panel is not None]


def panels_of_predictors(records: Mapping[str, Any]) -> list[Panel]:
    """Return figures 4, 5 and 6, and scores against the share of the curve; without those that cannot be."""
    table = records["table_2"]
    panels = [
        predictors.figure_4(table),
        predictors.figure_5(table),
        predictors.figure_6(table),
        predictors.figure_shares(records["predictors"]),
    ]
    return [panel for panel in panels if panel is not None]


def headline_of_predictors(records: Mapping[str, Any]) -> dict[str, Any]:
    """Return the means of R2 of table 2, Spearman of the design half, and the final half's scores."""
    table, final = records["table_2"], records["final_half"]
    return {
        "table_2": {
            size: {
                name: sum(one["scores"]["r2_quantile"]) / one["splits"] for name, one in table[size].items()
            }
            for size in ("single", "ensemble")
            if table[size] is not None
        },
        "design_spearman": {
            f"{one['share']:g}": {name: scores["spearman"]["mean"] for name, scores in one["scores"].items()}
            for one in records["predictors"]["shares"]
        },
        "final_half": None
        if final is None
        else {f"{one['share']:g}": one["scores"] for one in final["shares"]},
    }
