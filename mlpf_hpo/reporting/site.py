"""The report: one page that works offline, on a phone, in light and dark."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.files import write_json, write_text, written_whole
from mlpf_hpo.reporting.figures import FIGURES
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.machines import compare_machines
from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.physics_figures import SHOWN
from mlpf_hpo.reporting.physics_table import summary_metrics
from mlpf_hpo.reporting.style import png
from mlpf_hpo.reporting.tables import (
    Table,
    table_1,
    table_2,
    table_benchmark,
    table_machines,
    table_physics,
    table_scores,
    table_search,
)
from mlpf_hpo.reporting.throughput import describe_machines
from mlpf_hpo.search.trial_summary import has_network
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.parent_figures import figure_links
from mlpf_hpo.tracking.view_plan import TrialMark, search_key, trial_views


def build_report(inputs: ReportInput, out: Path) -> Path:
    """Write the page, its figures, metrics and series.

    Parameters
    ----------
    inputs : ReportInput
        What the stages left.
    out : path
        Folder: index.html, figures/*.svg and *.png, metrics.json, incumbent.csv, predictors.csv.

    Returns
    -------
    path
        The page.
    """
    panels = [make(inputs) for make in FIGURES] + [make(inputs.physics) for make in SHOWN]
    with written_whole(out / "figures") as folder:
        folder.mkdir(parents=True)
        for panel in panels:
            (folder / f"{panel.name}.svg").write_text(panel.svg, encoding="utf-8")
            (folder / f"{panel.name}.png").write_bytes(png(panel.figure))
    write_json(out / "metrics.json", metrics(inputs))
    write_text(out / "incumbent.csv", _incumbent_csv(inputs))
    write_text(out / "predictors.csv", _predictors_csv(inputs))
    page = out / "index.html"
    values: dict[str, Any] = {
        "heading": f"MLPF hyperparameter search: {inputs.curves.source}",
        "lead": _lead(inputs),
        "links": mlflow_links(inputs),
        "panels": {panel.name: panel for panel in panels},
        "tables": _tables(inputs),
        "limits": _limits(inputs),
    }
    write_text(page, render_page("report.html", title="MLPF hyperparameter search", **values))
    return page


def metrics(inputs: ReportInput) -> dict[str, float]:
    """Return the numbers that `dvc metrics` compares between runs."""
    out: dict[str, float] = {}
    for name, policy in inputs.search["policies"].items():
        for key in ("epochs", "best_loss", "wall_seconds"):
            out[f"search.{name}.{key}"] = policy[key]
    for name, scores in inputs.predictors["predictors"].items():
        for key in ("spearman", "r2_quantile", "coverage"):
            out[f"predictors.{name}.{key}"] = scores[key]["mean"]
    out |= {name.replace("_", ".", 1): value for name, value in summary_metrics(inputs.physics).items()}
    ((key, score),) = inputs.benchmark["report"]["wl-scores"].items()
    out[f"benchmark.{key}"] = score
    return out


def _tables(inputs: ReportInput) -> dict[str, Table]:
    return {
        "search": table_search(inputs),
        "physics": table_physics(inputs.physics),
        "space": table_1(inputs),
        "scores": table_scores(inputs),
        "splits": table_2(inputs),
        "machines": table_machines(inputs),
        "benchmark": table_benchmark(inputs),
    }


def _lead(inputs: ReportInput) -> str:
    plain, predicted = inputs.search["policies"].values()
    saved = 1 - predicted["epochs"] / plain["epochs"]
    what = inputs.target_name.removeprefix("validation ")
    more = "as many" if saved == 0 else f"{abs(saved):.0%} {'fewer' if saved > 0 else 'more'}"
    trials, champion = inputs.campaign["trials"], inputs.search["champion"]
    return (
        f"{len(trials)} random configurations were trained for {inputs.campaign['epochs']} epochs on "
        f"{inputs.events_told}. Of {len(inputs.predictors['predictors'])} predictors, the inner folds "
        f"chose {inputs.predictors['winner']}; the champion is {champion['name']} version "
        f"{champion['version']}. The search on {inputs.search['configurations']} new "
        f"configurations spent {plain['epochs']} epochs under {plain['label']} (best {what} "
        f"{plain['best_loss']:.4g}) and {predicted['epochs']}, {more}, under {predicted['label']} (best "
        f"{what} {predicted['best_loss']:.4g})."
    )


def mlflow_links(inputs: ReportInput) -> list[tuple[str, str]]:
    """Return where in MLflow to look at the run: labels and addresses."""
    runs, search = inputs.campaign_runs, inputs.search
    experiment, best = runs["experiment_id"], best_runs(inputs)
    views = trial_views(inputs.campaign["campaign_id"], _marks(inputs), inputs.curves.target)
    policies = search["policies"].values()
    compared = search_key(trial["trial_key"] for policy in policies for trial in policy["trials"])
    return [
        *figure_links(experiment, runs["parent_run_id"]),
        *((view.label, links.saved_view_link(experiment, view.key)) for view in views),
        (f"Parallel coordinates of the best {len(best)} trials", links.compare_link(experiment, best)),
        ("The campaign, with its machines", links.run_link(experiment, runs["parent_run_id"])),
        ("Searches: best so far", links.saved_view_link(search["experiment_id"], compared)),
        *(
            (f"Search: {policy['label']}", links.run_link(search["experiment_id"], policy["parent_run_id"]))
            for policy in policies
        ),
        ("The champion", links.model_link(search["champion"]["name"], search["champion"]["version"])),
    ]


def _marks(inputs: ReportInput) -> list[TrialMark]:
    curves = inputs.curves
    ids = [trial["trial_id"] for trial in inputs.campaign["trials"]]
    rows = zip(ids, curves.run_ids, curves.status, curves.hardware, strict=True)
    return [TrialMark(*map(str, row)) for row in rows]


def best_runs(inputs: ReportInput, n: int = 10) -> list[str]:
    """Return the runs of the campaign's best trials by their best epoch, best first (see `has_network`)."""
    kept = np.array([has_network(status) for status in inputs.curves.status])[:, np.newaxis]
    costs = inputs.curves.target.cost(1.0) * inputs.curves.values
    values = np.where(np.isfinite(costs) & kept, costs, np.inf).min(axis=1)
    order = [row for row in np.argsort(values, kind="stable") if np.isfinite(values[row])]
    return [str(inputs.curves.run_ids[row]) for row in order[:n]]


def _limits(inputs: ReportInput) -> list[str]:
    machines = compare_machines(inputs.curves)
    told = [
        "Figure 2, scaling from one worker to a cluster: this run has one machine and measures no scaling.",
        *(f"Table 2, {missing['label']}: {missing['reason']}." for missing in
          inputs.predictors["table_2"]["not_possible"]),
        "Every search policy ran once, every configuration with one seed: differences between policies "
        "are those of this run.",
    ]  # fmt: skip
    if len(machines) == 1:
        told.append(f"Figure 7, comparing machines: {describe_machines(machines)}")
    diverged, failed = map(inputs.curves.status.tolist().count, ("diverged", "failed"))
    told.append(
        f"{diverged} trial(s) diverged, {failed} failed; the predictors learn from complete curves only."
    )
    told += [
        f"{policy['failed']} of {len(policy['trials'])} trials failed under {policy['label']}: what they "
        "would have found is not known."
        for policy in inputs.search["policies"].values()
        if policy["failed"]
    ]
    return told


def _incumbent_csv(inputs: ReportInput) -> str:
    rows = [
        (name, epochs, loss)
        for name, policy in inputs.search["policies"].items()
        for epochs, loss in policy["incumbent"]
    ]
    return _csv(("policy", "epochs", "best_loss"), rows)


def _predictors_csv(inputs: ReportInput) -> str:
    scored = inputs.predictors["predictors"].items()
    rows = [(name, *(scores[key]["mean"] for key in ("spearman", "r2_quantile"))) for name, scores in scored]
    return _csv(("predictor", "spearman", "r2_quantile"), rows)


def _csv(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
