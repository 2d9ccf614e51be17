"""The page of the reference training: physics beside the rules and the copied input, and the curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.files import write_json, write_text, written_whole
from mlpf_hpo.reporting.page import bullets, figure_section, whole_page
from mlpf_hpo.reporting.physics_figures import SHOWN, efficiency, jets
from mlpf_hpo.reporting.style import Panel, png, svg
from studies.reference_training.curve import describe_curve, figure_curve, minutes
from studies.reference_training.differences import describe_difference, describe_table, numbers, verdicts

TITLE = "The reference training: what MLPF learns at this scale"


class Judged(NamedTuple):
    """A sample judged: what it is called, MLPF beside the rules, and beside the copied input."""

    name: str
    beside_rules: ValidationResult
    with_identity_baseline: ValidationResult


NAMES = {"ttbar": "held-back ttbar", "qcd": "QCD"}


def read_judged(folder: Path) -> list[Judged]:
    """Read what the study's stage `physics` wrote: a folder `rules` and a folder `copy` for each sample."""
    return [
        Judged(
            told,
            ValidationResult.read(folder / name / "rules"),
            ValidationResult.read(folder / name / "copy"),
        )
        for name, told in NAMES.items()
    ]


def build_reference_report(training: Mapping[str, Any], judged: list[Judged], out: Path) -> Path:
    """Write index.html, metrics.json and figures/ into a folder; return the page.

    Parameters
    ----------
    training : mapping
        Of `studies.reference_training.training.train_reference`.
    judged : list of Judged
        Of `read_judged`.
    out : path
        The folder.
    """
    write_json(out / "metrics.json", _metrics(training, judged))
    _write_figures(training, judged, out / "figures")
    page = out / "index.html"
    write_text(page, whole_page(TITLE, list(_parts(training, judged)), width="80rem"))
    return page


def _metrics(training: Mapping[str, Any], judged: list[Judged]) -> dict[str, Any]:
    """Return the numbers for `dvc metrics`; those that there are not are null."""
    epochs = training["epochs"]
    return {
        "epochs": len(epochs),
        "validation_loss": epochs[-1]["val/loss"],
        "training_minutes": minutes(training),
        **{
            sample.beside_rules.about["process"]: numbers(sample.beside_rules, sample.with_identity_baseline)
            for sample in judged
        },
    }


def _write_figures(training: Mapping[str, Any], judged: list[Judged], folder: Path) -> None:
    """Write the curve, and of each sample efficiencies and jets, as PNG."""
    with written_whole(folder) as temporary:
        temporary.mkdir()
        (temporary / "curve.png").write_bytes(png(figure_curve(training).figure))
        for sample in judged:
            for make in (efficiency, jets):
                panel = make(sample.beside_rules)
                name = f"{sample.beside_rules.about['process']}-{panel.name}.png"
                (temporary / name).write_bytes(png(panel.figure))


def _parts(training: Mapping[str, Any], judged: list[Judged]) -> Iterator[str]:
    yield f"<h1>{TITLE}</h1>"
    for sample in judged:
        difference = describe_difference(sample.name, sample.beside_rules, "the rules")
        yield f'<p class="lead">{escape(difference)}</p>'
    yield "<h2>Where MLPF wins, and where it loses</h2>"
    for sample in judged:
        for validation_result, other in (
            (sample.beside_rules, "the rules"),
            (sample.with_identity_baseline, "the copied input"),
        ):
            yield f"<h3>On {escape(sample.name)}, beside {other}</h3>"
            yield bullets(
                [
                    f"{verdict}: {', '.join(found)}"
                    for verdict, found in verdicts(validation_result).items()
                    if found
                ]
            )
    yield _section(figure_curve(training))
    yield f"<p>{escape(describe_curve(training))}</p>"
    for sample in judged:
        yield f"<h2>{escape(sample.name)}</h2>"
        yield describe_table(sample.beside_rules, sample.with_identity_baseline)
        for make in SHOWN:
            yield _section(make(sample.beside_rules), f"{sample.beside_rules.about['process']}-")


def _section(panel: Panel, prefix: str = "") -> str:
    named = replace(panel, name=f"{prefix}{panel.name}")
    return figure_section(named, svg(panel.figure, named.name, panel.title))
