"""The report: one page that works offline, on a phone, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlpf_hpo.files import write_json, write_text, written_whole
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.answer import answer
from mlpf_hpo.reporting.figures import FIGURES
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.machines import compare_machines
from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.physics_figures import SHOWN
from mlpf_hpo.reporting.physics_table import summary_metrics
from mlpf_hpo.reporting.search_figures import search_panels
from mlpf_hpo.reporting.search_tables import regret, table_ends, table_search
from mlpf_hpo.reporting.tables import (
    Table,
    table_1,
    table_2,
    table_benchmark,
    table_machines,
    table_physics,
    table_scores,
)
from mlpf_hpo.reporting.throughput import describe_machines
from mlpf_hpo.search.trial_summary import has_network
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.parent_figures import figure_links
from mlpf_hpo.tracking.view_plan import TrialMark, search_key, trial_views


def build_report(inputs: ReportInput, out: Path) -> Path:
    """Write index.html, figures/*.svg and *.png, metrics.json, incumbent.csv and predictors.csv to a folder.

    Returns the page.
    """
    panels = [*(make(inputs) for make in FIGURES), *search_panels(inputs)]
    panels += [make(inputs.physics) for make in SHOWN] if inputs.physics is not None else []
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
        "heading": f"{inputs.title}: {inputs.curves.source}",
        "lead": _lead(inputs),
        "answer": answer(inputs),
        "links": mlflow_links(inputs),
        "panels": {panel.name: panel for panel in panels},
        "tables": _tables(inputs),
        "limits": _limits(inputs),
    }
    write_text(page, render_page("report.html", title=inputs.title, **values))
    return page


def metrics(inputs: ReportInput) -> dict[str, float]:
    """Return the numbers that `dvc metrics` compares between runs."""
    out: dict[str, float] = {}
    for name, found in inputs.search["schedulers"].items():
        for key in ("epochs", "best_loss", "wall_seconds"):
            out[f"search.{name}.{key}"] = found[key]
        out[f"search.{name}.regret"] = regret(inputs.search, name)
    for name, scores in inputs.predictors["predictors"].items():
        for key in ("spearman", "r2_quantile", "coverage"):
            out[f"predictors.{name}.{key}"] = scores[key]["mean"]
    if inputs.physics is not None:
        physics = summary_metrics(inputs.physics)
        out |= {name.replace("_", ".", 1): value for name, value in physics.items()}
    ((key, score),) = inputs.benchmark["report"]["wl-scores"].items()
    out[f"benchmark.{key}"] = score
    return out


def _tables(inputs: ReportInput) -> dict[str, Table | None]:
    return {
        "search": table_search(inputs),
        "ends": table_ends(inputs),
        "physics": table_physics(inputs.physics) if inputs.physics is not None else None,
        "space": table_1(inputs),
        "scores": table_scores(inputs),
        "splits": table_2(inputs),
        "machines": table_machines(inputs),
        "benchmark": table_benchmark(inputs),
    }


def _lead(inputs: ReportInput) -> str:
    trials, champion = inputs.campaign["trials"], inputs.search["champion"]
    used = f"; the champion is {champion['name']} version {champion['version']}" if champion else ""
    return (
        f"{len(trials)} random configurations were trained for {inputs.campaign['epochs']} epochs on "
        f"{inputs.described_events}. Of {len(inputs.predictors['predictors'])} predictors, the inner folds "
        f"chose {inputs.predictors['winner']}{used}. The search on {inputs.search['configurations']} new "
        f"configurations spent {_spent(inputs)}."
    )


def _spent(inputs: ReportInput) -> str:
    """Return the epochs under every scheduler, compared with the first."""
    first, *others = inputs.search["schedulers"].values()
    what = inputs.target_name.removeprefix("validation ")
    spent = [f"{first['epochs']} epochs under {first['label']} (best {what} {first['best_loss']:.4g})"]
    for found in others:
        saved = 1 - found["epochs"] / first["epochs"]
        more = "as many" if saved == 0 else f"{abs(saved):.0%} {'fewer' if saved > 0 else 'more'}"
        spent.append(
            f"{found['epochs']}, {more}, under {found['label']} (best {what} {found['best_loss']:.4g})"
        )
    return " and ".join(filter(None, (", ".join(spent[:-1]), spent[-1])))


def mlflow_links(inputs: ReportInput) -> list[tuple[str, str]]:
    """Return where in MLflow to look at the run: labels and addresses."""
    runs, search = inputs.campaign_runs, inputs.search
    experiment, best = runs["experiment_id"], best_runs(inputs)
    views = trial_views(inputs.campaign["campaign_id"], _marks(inputs), inputs.curves.target)
    schedulers = search["schedulers"].values()
    compared = search_key(trial["trial_key"] for found in schedulers for trial in found["trials"])
    champion = search["champion"]
    return [
        *figure_links(experiment, runs["parent_run_id"]),
        *((view.label, links.saved_view_link(experiment, view.key)) for view in views),
        (f"Parallel coordinates of the best {len(best)} trials", links.compare_link(experiment, best)),
        ("The campaign, with its machines", links.run_link(experiment, runs["parent_run_id"])),
        ("Searches: best so far", links.saved_view_link(search["experiment_id"], compared)),
        *(
            (f"Search: {found['label']}", links.run_link(search["experiment_id"], found["parent_run_id"]))
            for found in schedulers
        ),
        *([("The champion", links.model_link(champion["name"], champion["version"]))] if champion else []),
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
    limits = [
        "Figure 2, scaling from one worker to a cluster: simulated, not measured on one.",
        *(f"Table 2, {missing['label']}: {missing['reason']}." for missing in
          inputs.predictors["table_2"]["not_possible"]),
        "Every scheduler ran once, every configuration with one seed: differences between schedulers "
        "are those of this run.",
    ]  # fmt: skip
    if not inputs.of_mlpf:
        limits.append(
            f"Trials are of task {inputs.params.task}: how MLPF reconstructs particles is not judged, and "
            "the benchmark is MLPF's, not this task's."
        )
    if len(machines) <= 1:
        limits.append(f"Figure 7, comparing machines: {describe_machines(machines)}")
    diverged, failed = map(inputs.curves.status.tolist().count, ("diverged", "failed"))
    limits.append(
        f"{diverged} trial(s) diverged, {failed} failed; the predictors learn from complete curves only."
    )
    limits += [
        f"{found['failed']} of {len(found['trials'])} trials failed under {found['label']}: what they "
        "would have found is not known."
        for found in inputs.search["schedulers"].values()
        if found["failed"]
    ]
    return limits


def _incumbent_csv(inputs: ReportInput) -> str:
    rows = [
        (name, epochs, loss)
        for name, found in inputs.search["schedulers"].items()
        for epochs, loss in found["incumbent"]
    ]
    return pd.DataFrame(rows, columns=["scheduler", "epochs", "best_loss"]).to_csv(index=False)


def _predictors_csv(inputs: ReportInput) -> str:
    scored = inputs.predictors["predictors"].items()
    rows = [(name, *(scores[key]["mean"] for key in ("spearman", "r2_quantile"))) for name, scores in scored]
    return pd.DataFrame(rows, columns=["predictor", "spearman", "r2_quantile"]).to_csv(index=False)
