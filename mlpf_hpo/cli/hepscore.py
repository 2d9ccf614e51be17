"""`mlpf-hpo hepscore`: the score of a HEPscore configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mlpf_hpo import console
from mlpf_hpo.cli.options import examples

EXAMPLES = examples(
    "mlpf-hpo hepscore hepscore.yaml --out results/score",
    "mlpf-hpo hepscore hepscore.yaml --replay results/hepscore",
    also="Exit status: 0 a score, 1 the configuration or the folder cannot be used, 2 no score (-1).",
)
NO_SCORE = 2
"""As HEPscore itself leaves then."""


def hepscore(
    configuration: Annotated[Path, typer.Argument(help="Configuration of HEPscore 1.5 or 2.0.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs and of the summary, NAME.json.")] = Path(
        "results/hepscore"
    ),
    replay: Annotated[
        Path | None, typer.Option(help="Score the runs in this folder instead, ours or of HEPscore.")
    ] = None,
    container_exec: Annotated[
        Literal["singularity", "apptainer", "docker", "podman"] | None,
        typer.Option("-m", "--container-exec", help="Container engine.", show_default="as configured"),
    ] = None,
) -> None:
    """Run the containers of a HEPscore configuration and compute its score, with HEPscore's digits."""
    from mlpf_hpo.workload.hepscore import replay_hepscore, run_hepscore
    from mlpf_hpo.workload.hepscore_config import load_hepscore

    config = load_hepscore(configuration, container_exec)
    if replay is None:
        summary = run_hepscore(config, out, on_run=_announce)
        written = f"\n  {out / config.settings.name}.json"
    else:
        summary, written = replay_hepscore(config, replay), ""
    console.out.print(_text(summary) + written, markup=False)
    if summary["status"] != "success":
        raise typer.Exit(NO_SCORE)


def _announce(workload: str, number: int) -> None:
    console.out.print(f"{workload}: run {number}", markup=False)


def _text(summary: dict[str, Any]) -> str:
    """Return the summary as text."""
    lines = [f"{summary['settings']['name']}: {summary['score']} ({summary['status']})"]
    for name, scores in summary["wl-scores"].items():
        own = [key for key in scores if f"{key}_ref" in scores]
        parts = ", ".join(f"{key} {scores[key]:g} of {scores[f'{key}_ref']:g}" for key in own)
        lines.append(f"  {name}: {summary['benchmarks'][name]['score']:.4f} ({parts})")
    for name, reasons in summary.get("problems", {}).items():
        lines.append(f"  {name}: {'; '.join(reasons)}")
    return "\n".join(lines)
