"""Data sets of curves that the package ships: loaded by name, checked; every shipped file is clean."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

import mlpf_hpo
import mlpf_hpo.curves
from benchmarks.tables import named_table
from mlpf_hpo import LearningCurves, TargetMetric, load_curves
from mlpf_hpo.cli.app import app
from mlpf_hpo.curves import card, shipped_files
from mlpf_hpo.curves.card import REMARKS, dataset_card
from mlpf_hpo.curves.data_sets import write_data_set
from mlpf_hpo.curves.dataset import write_curves
from mlpf_hpo.curves.defects import count_defects
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.curves.shipped_files import SHIPPED, shipped_names
from mlpf_hpo.curves.split_file import split_rows
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.target_metric import TargetMetric as Target
from mlpf_hpo.tuning.prior_campaign import read_prior
from mlpf_hpo.tuning.settings import SchedulerParams, SearchParams

SCHEMA = json.loads(card.SCHEMA.read_text())


def repeated(n: int = 12, seeds: int = 2, epochs: int = 4) -> LearningCurves:
    """Return n configurations, each trained with several seeds, one after the other."""
    generator = np.random.default_rng(3)
    configurations = [{"lr": float(lr)} for lr in generator.uniform(0.1, 1, n)] * seeds
    ends = [configuration["lr"] for configuration in configurations]
    values = (
        np.array(ends)[:, None] + 1 / np.arange(1, epochs + 1) + generator.normal(0, 0.01, (n * seeds, 1))
    )
    return LearningCurves.from_arrays(
        configurations, values, TargetMetric("loss", "min"), "ours", np.repeat(range(seeds), n).tolist()
    )


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """Return a folder with two data sets that stands for the package's."""
    folder = tmp_path / "shipped"
    for name, n in (("toys-v1", 12), ("toys-v2", 14)):
        write_data_set(repeated(n), name, folder, seed=1)
    monkeypatch.setattr(shipped_files, "SHIPPED", folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return folder


def test_a_data_set_is_loaded_by_its_name(shipped) -> None:
    assert mlpf_hpo.curves.load is load_curves is mlpf_hpo.load_curves
    assert shipped_names() == ["toys-v1", "toys-v2"]
    assert np.array_equal(load_curves("toys-v1").values, repeated().values)
    design, final = load_curves("toys-v1", "design"), load_curves("toys-v1", "final")
    assert len(design) == len(final) == 12
    assert not set(design.groups) & set(final.groups)
    assert set(design.groups) | set(final.groups) == set(repeated().groups)


def test_checksums_are_those_of_the_files(shipped) -> None:
    recorded = json.loads((shipped / "toys-v1.checksums.json").read_text())
    ends = ("parquet", "card.json", "card.md", "splits.json")
    assert set(recorded) == {f"toys-v1.{end}" for end in ends}
    for name, digest in recorded.items():
        assert hashlib.sha256((shipped / name).read_bytes()).hexdigest() == digest


def test_cards_are_of_the_schema(shipped) -> None:
    """Also that of a table with everything: another mode, columns left out, a curve that was stopped."""
    everything = replace(
        repeated(),
        left_out={"run_id": "an identifier"},
        left_out_rows={"empty: row 3": 1},
        data_digest="0123456789ab",
        status=np.array(["diverged"] * 24),
    )
    remarks = {"what": "Toys.", "licence": "CC-BY-4.0"}
    write_data_set(everything, "toys-v3", shipped, remarks=remarks)
    written = json.loads((shipped / "toys-v3.card.json").read_text())
    for one in (written, json.loads((shipped / "toys-v1.card.json").read_text())):
        jsonschema.validate(one, SCHEMA)
    assert written["remarks"] == remarks
    assert written["data_digest"] == "0123456789ab" == load_curves("toys-v3").data_digest
    assert "\n## What\n\nToys.\n\n## Licence\n\nCC-BY-4.0\n" in (shipped / "toys-v3.card.md").read_text()
    for spoiled in ({**written, "curves": -1}, {**written, "mode": "least"}, {**written, "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoiled, SCHEMA)
    with pytest.raises(DataError, match=r"no heading 'license' \(did you mean licence\?\)"):
        write_data_set(everything, "toys-v4", shipped, remarks={"license": "CC-BY-4.0"})
    with pytest.raises(DataError, match=r"^card: licence must be a text$"):
        write_data_set(everything, "toys-v4", shipped, remarks={"licence": 4.0})  # type: ignore[dict-item]
    assert not list(shipped.glob("toys-v4.*")), "nothing is written"


def test_splits_are_drawn_once(shipped) -> None:
    before = (shipped / "toys-v1.splits.json").read_bytes()
    write_data_set(repeated(), "toys-v1", shipped, seed=2)
    assert (shipped / "toys-v1.splits.json").read_bytes() == before
    with pytest.raises(DataError, match=r"toys-v1\.splits\.json: was drawn for other rows"):
        write_data_set(repeated(13), "toys-v1", shipped)
    assert len(load_curves("toys-v1")) == 24


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "toys-v3",
            r"^toys-v3: no such data set \(did you mean toys-v[12]\?\); .*shipped: toys-v1, toys-v2$",
        ),
        ("zebra", r"^zebra: no such data set; data sets of curves that are shipped: toys-v1, toys-v2$"),
    ],
)
def test_an_unknown_name(shipped, name, message) -> None:
    with pytest.raises(MissingInputError, match=message):
        load_curves(name)


def test_without_data_sets_that_is_said(tmp_path) -> None:
    with pytest.raises(MissingInputError, match=r"^toys: no such data set; no data set of curves is shipped"):
        load_curves("toys", folder=tmp_path / "none")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


DAMAGES = {
    "a bit of the curves": (lambda f: flip(f / "toys-v1.parquet"), "toys-v1.parquet: damaged: its SHA-256"),
    "a bit of the splits": (lambda f: flip(f / "toys-v1.splits.json"), "toys-v1.splits.json: damaged"),
    "other curves": (
        lambda f: (f / "toys-v1.parquet").write_bytes((f / "toys-v2.parquet").read_bytes()),
        "toys-v1.parquet: damaged: its SHA-256 is not that of toys-v1.checksums.json; install mlpf_hpo again",
    ),
    "no checksums": (lambda f: (f / "toys-v1.checksums.json").unlink(), "checksums.json: cannot be read"),
    "no splits": (lambda f: (f / "toys-v1.splits.json").unlink(), "toys-v1.splits.json: cannot be read"),
    "foreign checksums": (lambda f: (f / "toys-v1.checksums.json").write_text("[]"), "not an object"),
    "no checksum": (lambda f: (f / "toys-v1.checksums.json").write_text("{}"), "has no toys-v1.parquet"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_a_line(shipped, damage) -> None:
    spoil, message = DAMAGES[damage]
    spoil(shipped)
    with pytest.raises(DataError) as caught:
        load_curves("toys-v1", "design")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_stands_for_a_file_of_curves(shipped) -> None:
    assert len(read_table(Path("toys-v2"))) == 28
    write_curves(repeated(5), Path("toys-v2"))
    Path("toys-v2").rename("toys-v2.parquet")
    assert len(read_table(Path("toys-v2.parquet"))) == 10
    Path("toys-v2").write_text("lr,loss_0\n0.1,2\n0.2,3\n")
    assert len(read_table(Path("toys-v2"))) == 2, "a file of that name comes first"
    with pytest.raises(MissingInputError, match=r"^toys-v9: no such file \(did you mean toys-v"):
        read_table(Path("toys-v9"))
    with pytest.raises(MissingInputError, match=r"^none\.csv: no such file$"):
        read_table(Path("none.csv"))


def test_a_name_stands_for_a_table_of_a_benchmark(shipped) -> None:
    name, curves = named_table("toys=toys-v1")
    assert (name, curves.source, len(curves)) == ("toys", "toys", 24)


def test_a_name_stands_for_the_prior_of_a_search(shipped) -> None:
    params, target = SchedulerParams(name="freeze_thaw", prior="toys-v2"), Target("loss", "min")
    prior = read_prior(params, 0, target)
    assert prior is not None
    assert len(prior) == 28
    digests = SearchParams(schedulers=(params,)).prior_digests()
    assert digests == {"toys-v2": hashlib.sha256((shipped / "toys-v2.parquet").read_bytes()).hexdigest()}
    with pytest.raises(
        MissingInputError, match=r"prior: toys-v3: no such file \(did you mean toys-v[12]\?\)"
    ):
        read_prior(SchedulerParams(name="freeze_thaw", prior="toys-v3"), 0, target)
    with pytest.raises(ConfigurationError, match="toys-v2 holds curves of loss"):
        read_prior(params, 0, Target("loss", "max"))


def test_a_name_stands_for_a_file_on_the_command_line(shipped) -> None:
    def invoke(*words: str) -> str:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done.output

    searched = ("--schedulers", "asha", "--seeds", "1", "--workers", "2")
    replayed = invoke("replay", "--curves", "toys-v1", "--split", "toys-v1", "--prior", "toys-v2", *searched)
    assert "1 searches of 6 of 6 configurations" in replayed
    assert "prior: toys-v2" in replayed
    few = ("--predictors", "persistence", "--splits", "1", "--train", "6")
    assert "loss (min)" in invoke("predictors", "evaluate", "--curves", "toys-v1", *few)
    wrong = CliRunner().invoke(app, ["replay", "--curves", "toys-v1", "--prior", "toys-v0"])
    assert "did you mean toys-v" in str(wrong.exception)
    wrong = CliRunner().invoke(app, ["replay", "--curves", "toys-v1", "--split", "toys-v2"])
    assert "toys-v2: was drawn for other rows than the 24 of this table" in str(wrong.exception)


NAMES = shipped_names() or [pytest.param("none", marks=pytest.mark.skip("no data set is shipped yet"))]


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_data_set_is_clean(name) -> None:
    curves = load_curves(name)  # checksum, and the digest of its content
    checksums = SHIPPED / f"{name}.checksums.json"
    assert {file.name for file in SHIPPED.glob(f"{name}.*")} - {checksums.name} == set(
        json.loads(checksums.read_text())
    )
    assert (curves.restart_epoch < 0).all()
    trainings = Counter(zip(curves.groups, curves.configs["seed"], strict=True))
    assert set(trainings.values()) == {1}, "a repeat has another seed"
    assert (curves.configs["seed"] >= 0).all(), "each seed is known"
    lengths = known_lengths(curves.values)
    finished = curves.status == "finished"
    for metric, values in curves.metrics.items():
        undefined_where_empty = metric.startswith(("val/fake_rate", "val/efficiency"))
        assert undefined_where_empty or np.isfinite(values[finished]).all(), metric
    for values, length in zip(curves.values, lengths, strict=True):
        assert not np.isfinite(values[length:]).any(), "no gap"
    parts = [split_rows(SHIPPED / f"{name}.splits.json", part, curves.groups) for part in ("design", "final")]
    assert sorted(np.concatenate(parts)) == list(range(len(curves)))
    assert not set(curves.groups[parts[0]]) & set(curves.groups[parts[1]])
    found = count_defects(curves)
    for what in ("undeclared_duplicates", "copies", "restarts", "gaps", "finished_early"):
        assert found[what] == 0, what
    on_file = json.loads((SHIPPED / f"{name}.card.json").read_text())
    jsonschema.validate(on_file, SCHEMA)
    assert set(on_file["remarks"]) == set(REMARKS), "a person says what it is"
    assert on_file == dataset_card(curves, on_file["remarks"])
    assert on_file["data_digest"], "two versions of different tasks can be told apart"
