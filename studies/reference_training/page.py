"""The page of the reference training: physics beside the rules and the copied input, and the curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mlpf_hpo.evaluation.validation_result import ValidationResult
from mlpf_hpo.files import write_json, write_text, written_whole
from mlpf_hpo.plotting import png
from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.physics_figures import SHOWN, efficiency, jets
from studies.reference_training.curve import describe_curve, figure_curve, minutes
from studies.reference_training.differences import describe_difference, numbers, table_of_sample, verdicts

TITLE = "The reference training: what MLPF learns at this scale"


class ValidatedSample(NamedTuple):
    """A validated sample: its name, MLPF against the rules, and MLPF against the copied input."""

    name: str
    beside_rules: ValidationResult
    with_identity_baseline: ValidationResult


NAMES = {"ttbar": "held-back ttbar", "qcd": "QCD"}


def read_validated(folder: Path) -> list[ValidatedSample]:
    """Read what the study's stage `physics` wrote: a folder `rules` and a folder `copy` for each sample."""
    return [
        ValidatedSample(
            label,
            ValidationResult.read(folder / name / "rules"),
            ValidationResult.read(folder / name / "copy"),
        )
        for name, label in NAMES.items()
    ]


def build_reference_report(training: Mapping[str, Any], samples: list[ValidatedSample], out: Path) -> Path:
    """Write index.html, metrics.json and figures/ into a folder; return the page.

    `training` is the record of `train_reference`, `samples` are those of `read_validated`.
    """
    write_json(out / "metrics.json", _metrics(training, samples))
    _write_figures(training, samples, out / "figures")
    page = out / "index.html"
    values = {
        "title": TITLE,
        "samples": list(map(_sample_values, samples)),
        "curve": figure_curve(training),
        "about_curve": describe_curve(training),
    }
    write_text(page, render_page("study.html", Path(__file__).parent, **values))
    return page


def _metrics(training: Mapping[str, Any], samples: list[ValidatedSample]) -> dict[str, Any]:
    """Return the numbers for `dvc metrics`; those that there are not are null."""
    epochs = training["epochs"]
    return {
        "epochs": len(epochs),
        "validation_loss": epochs[-1]["val/loss"],
        "training_minutes": minutes(training),
        **{
            sample.beside_rules.about["process"]: numbers(sample.beside_rules, sample.with_identity_baseline)
            for sample in samples
        },
    }


def _write_figures(training: Mapping[str, Any], samples: list[ValidatedSample], folder: Path) -> None:
    """Write the curve, and of each sample efficiencies and jets, as PNG."""
    with written_whole(folder) as temporary:
        temporary.mkdir()
        (temporary / "curve.png").write_bytes(png(figure_curve(training).figure))
        for sample in samples:
            for make in (efficiency, jets):
                panel = make(sample.beside_rules)
                name = f"{sample.beside_rules.about['process']}-{panel.name}.png"
                (temporary / name).write_bytes(png(panel.figure))


def _sample_values(sample: ValidatedSample) -> dict[str, Any]:
    """Return what ``study.html`` shows of a sample."""
    beside = {"the rules": sample.beside_rules, "the copied input": sample.with_identity_baseline}
    panels = [make(sample.beside_rules) for make in SHOWN]
    return {
        "name": sample.name,
        "difference": describe_difference(sample.name, sample.beside_rules, "the rules"),
        "verdicts": {
            other: [f"{verdict}: {', '.join(found)}" for verdict, found in verdicts(result).items() if found]
            for other, result in beside.items()
        },
        "table": table_of_sample(sample.beside_rules, sample.with_identity_baseline),
        # Ids are unique on the page: both samples have the same figures.
        "panels": [
            replace(panel, name=f"{sample.beside_rules.about['process']}-{panel.name}") for panel in panels
        ],
    }
