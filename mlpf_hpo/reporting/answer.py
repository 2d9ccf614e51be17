"""What a report is opened for: the best configuration, what it cost, what was saved, what to run next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.config.train_command import train_command
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.tables import Table
from mlpf_hpo.search.search_result import best_trial
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import links

LONGER = 4
"""Times the epochs of the search, for a training that is to be used."""


@dataclass(frozen=True)
class Answer:
    """What a report says first.

    Attributes
    ----------
    heading : str
        Which trial is best, and its value.
    configuration : Table
        Its hyperparameters, beside the space that was searched.
    costs : list of str
        What the search cost and what was saved, a sentence each.
    steps : list of tuple of str
        What to run next: what for, and the command.
    run : str
        Address of the trial's run in MLflow.
    """

    heading: str
    configuration: Table
    costs: list[str]
    steps: list[tuple[str, str]]
    run: str


def answer(inputs: ReportInput) -> Answer:
    """Return what a report says first."""
    search = inputs.search
    best, target = best_trial(search), TargetMetric.of_dict(search.get("target"))
    value = target.best(best["curve"])
    return Answer(
        heading=f"Best configuration: {best['trial_id']}, {inputs.target_name} {value:.4g}",
        configuration=_configuration(inputs, best, 1 + best["curve"].index(value)),
        costs=_costs(inputs),
        steps=_steps(inputs, best),
        run=links.run_link(search["experiment_id"], best["run_id"]),
    )


def _configuration(inputs: ReportInput, best: Mapping[str, Any], epoch: int) -> Table:
    domains = inputs.params.space.search_space().domains
    rows = [
        (name, f"{value:.4g}" if isinstance(value, float) else str(value), domains[name].describe())
        for name, value in best["configuration"].items()
    ]
    caption = (
        f"Found under {best['scheduler']}, after epoch {epoch} of {inputs.search['max_epochs']}. The best of "
        "many was lucky, too: with another seed, expect somewhat worse."
    )
    return Table(caption, ("hyperparameter", "value", "searched"), rows)


def _costs(inputs: ReportInput) -> list[str]:
    """Return what each scheduler spent, beside what it could have spent."""
    search = inputs.search
    full = search["configurations"] * search["max_epochs"]
    in_full = f"the {full} that all {search['configurations']} configurations take in full"
    return [
        f"{found['label']}: {found['epochs']} epochs in {found['wall_seconds']:.0f} s, "
        f"{found['epochs'] / full:.0%} of {in_full}"
        for found in search["schedulers"].values()
    ]


def _steps(inputs: ReportInput, best: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what to run next; without a command for trials of another task, which `train` does not know."""
    more = 2 * inputs.search["configurations"]
    steps = [(f"search {more} configurations", f"dvc exp run -S search.configurations={more}")]
    if inputs.of_mlpf:
        epochs = LONGER * inputs.search["max_epochs"]
        # Another seed: what was luck is not found again.
        command = train_command(best["configuration"], inputs.params.seed, epochs, Path("runs/best"))
        steps.insert(0, (f"train it for {epochs} epochs, with another seed", command))
    return steps
