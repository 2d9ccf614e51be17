"""The benchmark of schedulers: tables, parts, goals and the page, on small curves."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import schedulers, schedulers_page
from benchmarks.scheduler_goals import GOALS, describe, geometric_mean, reached
from benchmarks.splits import FOLDER, split_of
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search import comparison
from mlpf_hpo.search.priors import DrawWithPrior
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from tests.test_cli_replay import write_curves

SPECS = (SchedulerSpec("asha", {"reduction_factor": 2.0}), SchedulerSpec("top_k", {"k": 2}))


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Few families, one process, and a folder of its own."""

    def families(draw):
        of_prior = (SchedulerSpec("prior_best_k", {"k": 2}),) if draw.prior is not None else ()
        names = ("cold_frontier", "stopping_asha", "promotion_asha", "hyperband", "ray_asha")
        ours = (SchedulerSpec("full"),)
        return {**dict.fromkeys(names, SPECS), "best_null": of_prior, "predicted_promotion": (), "ours": ours}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(schedulers, "families_for", families)
    monkeypatch.setattr(schedulers, "cold_families", lambda _: {"cold_frontier": SPECS})
    monkeypatch.setattr(schedulers, "SHOWN", {"freeze_thaw": SchedulerSpec("full")})
    monkeypatch.setattr(schedulers, "usable_cpus", lambda: 1)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["schedulers", *map(str, arguments)])
    return schedulers.run(schedulers.arguments())


def test_a_run_measures_every_table_with_every_prior_and_makes_a_page(few, monkeypatch) -> None:
    one, two = write_curves(few / "one.csv"), write_curves(few / "two.csv", ("lr", "depth"), rows=40)
    found = run(monkeypatch, "--table", f"one={one}", "--table", f"two={two}", "--seeds", "3")
    assert found["protocol"] == "design"
    for name, n in (("one", 12), ("two", 20)):
        table = found["tables"][name]
        assert table["configurations"] + table["prior_configurations"] == table["available"] == n
        assert list(table["priors"]) == list(schedulers.PRIORS)
        same, none, permuted, other, hidden = table["priors"].values()
        assert none["ratio_to"]["best_null"]["0.02"] is None
        assert other["other"] == {"one": "two", "two": "one"}[name]
        for kind in (none, permuted, other, hidden):
            assert kind["epochs_at"]["0.02"]["cold_frontier"] == same["epochs_at"]["0.02"]["cold_frontier"]
        assert "prior_best_untrained" in same["schedulers"]
        assert other["epochs_at"]["0.02"]["tpe"] is None, "its prior lacks a hyperparameter"
        assert all(kind["epochs_at"]["0.02"]["tpe"] for kind in (same, none, permuted, hidden))
        assert same["best_setting"]["0.02"]["tpe"].endswith("searcher=tpe")
        # Without hyperparameters the prior names other trials.
        assert same["frontier"]["best_null"] != hidden["frontier"]["best_null"]
    (few / "results.json").write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["page", "results.json", "--out", "docs/search_efficiency.md"])
    schedulers_page.main()
    text = (few / "docs/search_efficiency.md").read_text()
    assert "## one" in text
    assert f"| {found['tables']['two']['priors']['same']['epochs_at']['0.02']['ours']:.0f} |" in text
    assert (few / "docs/images/search_two.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_what_is_stated_beside_what_came_true(few, monkeypatch) -> None:
    monkeypatch.setattr(schedulers, "SHOWN", {"freeze_thaw": SchedulerSpec("freeze_thaw")})
    file = write_curves(few / "one.csv")
    found = run(monkeypatch, "--table", f"one={file}", "--seeds", "3", "--priors", "same,none,other")
    one = found["tables"]["one"]["priors"]["same"]["schedulers"]["freeze_thaw"]
    stated = one["calibration"]
    assert stated["best_abandoned"]["actual"]["mean"] == pytest.approx(one["best_abandoned"])
    assert stated["regret"]["actual"]["mean"] == pytest.approx(one["regret"]["mean"])
    assert stated["better"]["actual"]["mean"] >= stated["best_abandoned"]["actual"]["mean"]
    text = schedulers_page.page(found, {"one": "one.png"})
    assert "## Calibration" in text
    nominal, actual = (stated["better"][kind]["mean"] for kind in ("nominal", "actual"))
    assert f"{nominal:.1f} / {actual:.1f} [" in text
    stated["noticeably"]["actual"] = {"mean": 0.8, "low": 0.6, "high": 1.04}
    assert "/ 80% [60%, 100%]" in schedulers_page.page(found, {"one": "one.png"})
    rows = [line for line in text.split("## Calibration")[1].splitlines() if line.startswith("| one |")]
    assert len(rows) == 2, "of the task itself and without a prior: no other table is there"


def test_the_campaign_of_another_task_may_be_given_and_is_not_searched(few, monkeypatch) -> None:
    one, two = write_curves(few / "one.csv"), write_curves(few / "two.csv", rows=6)
    seen = []
    monkeypatch.setattr(
        schedulers, "DrawWithPrior", lambda *given: seen.append(given) or DrawWithPrior(*given)
    )
    arguments = ["--table", f"one={one}", "--seeds", "2", "--priors", "other"]
    found = run(monkeypatch, *arguments, "--other", f"neighbour={two}")
    assert list(found["tables"]) == ["one"]
    assert found["tables"]["one"]["priors"]["other"]["other"] == "neighbour"
    (campaign,) = (prior for _, kind, *rest in seen if kind == "other" for prior in rest)
    assert campaign.source == "neighbour"
    asked = found["tables"]["one"]["prior_configurations"]
    assert len(campaign) == len(set(campaign.groups)) == min(asked, 6)
    with pytest.raises(ConfigurationError, match="--other neighbour: must be NAME=FILE"):
        run(monkeypatch, *arguments, "--other", "neighbour")


def test_a_run_that_was_ended_early_goes_on_with_the_tables_that_it_lacks(few, monkeypatch) -> None:
    one, two = write_curves(few / "one.csv"), write_curves(few / "two.csv")
    tables = ["--table", f"one={one}", "--table", f"two={two}"]
    rest = ["--seeds", "2", "--priors", "none", "--json", few / "found.json"]
    whole = run(monkeypatch, *tables, *rest)
    measure, asked = schedulers.measure, []

    def end_early(table, *others):
        asked.append(table.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return measure(table, *others)

    monkeypatch.setattr(schedulers, "measure", end_early)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, *tables, *rest)
    assert run(monkeypatch, *tables, *rest, "--go-on") == whole
    assert asked == ["one", "two", "two"]
    with pytest.raises(ConfigurationError, match=r"found\.json: of another protocol"):
        run(monkeypatch, *tables, *rest, "--go-on", "--final")


def test_a_family_that_is_left_out_has_no_number_and_the_page_says_so(few, monkeypatch) -> None:
    file = write_curves(few / "one.csv")
    arguments = ["--table", f"one={file}", "--seeds", "2", "--priors", "none,same"]
    found = run(monkeypatch, *arguments, "--without", "tpe", "--final")
    assert found["without"] == ["tpe"]
    priors = found["tables"]["one"]["priors"]
    assert [priors[kind]["epochs_at"]["0.02"]["tpe"] for kind in ("none", "same")] == [None, None]
    measured = {**found["tables"]["one"], "near_best": {"0.02": 3.25, "0.01": 1.5}, "max_epochs": 9}
    measured["configurations"] = 12
    priors["none"]["epochs_at"]["0.02"]["cold_frontier"] = 40.0
    text = schedulers_page.page(
        {**found, "tables": {"one": measured, "mlpf": measured}}, {"one": "", "mlpf": ""}
    )
    assert "left out (here `tpe`," in text
    assert "| one | 40 | 0.23 | 0.50 | 3.2 | 1.5 |" in text
    assert "searched a second time" not in text.split("## mlpf")[0]
    assert "searched a second time" in text.split("## mlpf")[1]
    assert "for the first time (one):" in text
    assert "on which the cold frontier reaches" not in text, "it does on both"
    never = {**measured, "priors": {"none": {**priors["none"], "never": 40}}}
    text = schedulers_page.page({**found, "tables": {"one": measured, "two": never}}, {"one": "", "two": ""})
    assert "on which the cold frontier reaches .02 (one):" in text


def test_the_page_has_ratios_of_the_design_halves_beside(few, monkeypatch) -> None:
    file = write_curves(few / "one.csv")
    arguments = ["--table", f"one={file}", "--seeds", "2", "--without", "tpe", "--priors", "none,same"]
    found = run(monkeypatch, *arguments, "--final")
    design = run(monkeypatch, *arguments[:-1], "same")
    ratio = design["tables"]["one"]["priors"]["same"]["ratio_to"]["cold_frontier"]["0.02"]
    ratio.update(mean=0.123, low=0.1, high=0.2)
    text = schedulers_page.page(found, {"one": ""}, design)
    rows = text.split("design halves: over cold frontier")[1].splitlines()[2:4]
    assert ["0.12 [0.10, 0.20]" in row for row in rows] == [False, True]
    assert rows[0].endswith("| - | - | - |")
    assert "On design halves (one):" in text


def test_the_final_part_is_searched_only_when_asked_for(few, monkeypatch) -> None:
    curves = write_curves(few / "one.csv")
    split = {"design": list(range(14)), "final": list(range(14, 24))}
    (few / "split.json").write_text(json.dumps(split))
    table = schedulers.read_tables([f"one={curves}"], ["one=split.json"])["one"]
    finals = table.curves.final
    design, final = table.plan(final=False), table.plan(final=True)
    for seed in range(5):
        drawn = design.draw(seed)
        assert set(drawn.searched.final) | set(drawn.prior.final) == set(finals[:14])
        drawn = final.draw(seed)
        assert set(drawn.searched.final) == set(finals[14:])
        assert set(drawn.prior.final) == set(finals[:14])
    assert set(table.as_prior(99).final) == set(finals[:14])
    found = run(
        monkeypatch,
        "--table",
        f"one={curves}",
        "--split",
        "split.json",
        "--seeds",
        2,
        "--final",
        "--without",
        "tpe",
    )
    assert found["protocol"] == "final"
    assert found["tables"]["one"]["priors"]["other"] is None, "there is no other table"
    assert (found["tables"]["one"]["configurations"], found["tables"]["one"]["available"]) == (10, 10)


def test_rows_of_a_configuration_are_on_one_side_of_a_split() -> None:
    groups = np.array([f"c{i % 11}" for i in range(40)])
    split = split_of("a table", groups)
    assert sorted(split["design"] + split["final"]) == list(range(40))
    assert not set(groups[split["design"]]) & set(groups[split["final"]])
    assert split == split_of("a table", groups) != split_of("another", groups)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_committed_splits_have_no_row_on_both_sides(file) -> None:
    split = json.loads(file.read_text())
    assert set(split) == {"design", "final"}
    assert not set(split["design"]) & set(split["final"])
    assert abs(len(split["design"]) - len(split["final"])) <= 1


def measured(**ratios) -> dict:
    def of(mean):
        return {"ratio_to": {name: {"0.02": {"mean": mean}} for name in comparison.RATIO_TO}}

    return {name: {"priors": {"same": of(mean)}} for name, mean in ratios.items()}


def test_goals_are_of_the_geometric_mean_and_of_the_worst_table() -> None:
    assert geometric_mean([0.1, 0.4]) == pytest.approx(0.2)
    found = reached(measured(mlpf=0.2, mnist=0.45, digits=9.0), own=["digits"])
    published, kept, null, ray, *rest = found
    assert published["mean"] == pytest.approx(0.3)
    assert published["reached"]
    assert kept["reached"] is None, "no table is kept back"
    assert null["worst"] == 9.0
    assert not null["reached"]
    assert not ray["reached"]
    assert all(goal["reached"] is None for goal in rest)
    assert not reached(measured(mlpf=0.1, mnist=0.7), own=[])[0]["reached"], "one table is too bad"
    kept = reached(measured(mlpf=0.1, theirs=0.4, digits=9.0), own=["digits"])[1]
    assert kept["mean"] == pytest.approx(0.2)
    assert len(describe(found)) == len(GOALS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "--seeds 0: at least 1"),
        (["--priors", "sane"], "--priors: no sane; there are same, none"),
        (["--without", "asha"], "--without: no asha; there are tpe, predicted_promotion"),
        (["--table", "imagenet"], "--table imagenet: NAME=FILE, or one of own, mlpf"),
        (["--table", "one=one.csv", "--table", "one=one.csv"], "--table: one is named twice"),
        (["--table", "one=one.csv", "--split", "two=split.json"], "--split: no table two"),
        (["--table", "one=none.csv"], "none.csv: no such file"),
        (["--table", "one=one.csv", "--go-on"], "--go-on: name the file of the run"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(few, monkeypatch, arguments, message) -> None:
    write_curves(few / "one.csv")
    monkeypatch.setattr(sys, "argv", ["schedulers", *arguments])
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        schedulers.main()
