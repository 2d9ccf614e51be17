"""`mlpf-hpo runs`: runs in MLflow as tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples, group

if TYPE_CHECKING:
    from mlpf_hpo.tracking.ranking import RankedTrial

EXAMPLES = examples(
    "mlpf-hpo runs best",
    "mlpf-hpo runs best --kind search --n 3",
    "mlpf-hpo runs best --metric throughput/events_per_second",
    "mlpf-hpo runs best --metric val/pt_residual_mean --mode max",
    "mlpf-hpo runs best --json | jq .[0].configuration",
)
app = group("Trials on record in MLflow.", epilog=EXAMPLES)


@app.callback()
def _runs() -> None:
    """Keep `best` a subcommand although it is the only one."""


@app.command(epilog=EXAMPLES)
def best(
    metric: Annotated[
        str,
        typer.Option(
            help="A metric with a value per epoch; by default the target metric of the newest ones."
        ),
    ] = "",
    mode: Annotated[
        str, typer.Option(help="min or max: whether small or large values are good, if that isn't on record.")
    ] = "",
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many.")] = 10,
    kind: Annotated[Literal["campaign", "search"], typer.Option(help="Whose trials.")] = "campaign",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the best trials by their best epoch of a metric, with their configuration, machine and link.

    Trials that diverged or failed leave no network: they are not among them.
    """
    from mlpf_hpo.tracking.client import connect_to_read, is_there, nothing_yet
    from mlpf_hpo.tracking.ranking import best_trials

    trials = best_trials(connect_to_read(), kind, metric or None, n, mode=mode or None) if is_there() else []
    if as_json:
        typer.echo(json.dumps([asdict(trial) for trial in trials], indent=1))
    elif not trials:
        console.out.print(f"no trials of a {kind} on record{nothing_yet()}", markup=False)
    else:
        console.out.print(_table(trials), markup=False)
        for place, trial in enumerate(trials, start=1):
            console.out.print(f"{place:2d}  {trial.link}", markup=False)


def _table(trials: list[RankedTrial]) -> str:
    from mlpf_hpo.space import from_text, short_text

    names = list(trials[0].configuration)
    rows = [
        (
            str(place),
            trial.name.split()[0],
            f"{trial.best:.5g}",
            f"{trial.best_epoch} of {trial.epochs}",
            trial.status,
            trial.hardware_label,
            *(short_text(from_text(trial.configuration.get(name, ""))) for name in names),
        )
        for place, trial in enumerate(trials, start=1)
    ]
    return console.columns(("", "trial", trials[0].metric, "epoch", "status", "machine", *names), rows)
