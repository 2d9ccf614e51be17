"""The page: whole, offline, structured for screen readers, the same bytes every time, honest about limits."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.errors import MissingInputError
from mlpf_hpo.reporting.inputs import ReportInput
from mlpf_hpo.reporting.site import best_runs, build_report, mlflow_links
from mlpf_hpo.reporting.tables import table_scores
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.parent_figures import CURVES, MACHINES
from mlpf_hpo.tracking.view_plan import search_key

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Checks nesting, and keeps every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


DRAWN = ("figure-epochs", "figure-posterior")


@pytest.fixture(scope="module")
def report(inputs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    build_report(inputs, folder)
    return folder


@pytest.fixture(scope="module")
def text(report: Path) -> str:
    return (report / "index.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_else(text: str) -> None:
    page = Page(text)
    assert not page.open
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "img"}
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or ""
            assert target.startswith(("#", "http://127.0.0.1:5000/#/")) or not target, target
    assert "url(http" not in text


def test_figures_have_names_and_ids_are_unique(text: str) -> None:
    page = Page(text)
    figures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(figures) == 10 + 6
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for attributes in figures:
        assert attributes["role"] == "img"
        assert attributes["aria-labelledby"] in ids
    referenced = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    assert {a or b for a, b in referenced} <= set(ids)


def test_structure_for_readers_without_eyes(text: str) -> None:
    page = Page(text)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) == 9
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_the_best_configuration_stands_first_with_its_cost_and_what_to_run_next(text: str, inputs) -> None:
    first = text[text.index("<h1") : text.index("<details>")]
    assert "Best configuration: t000, validation loss 4" in first
    assert re.search(r'<th scope="row">lr</th>\s*<td[^>]*>0.001</td>', first)
    assert "Found under ASHA, after epoch 2 of 6" in first
    assert "ASHA: 20 epochs in 3 s, 111% of the 18 that all 3 configurations take in full" in first
    assert "freeze-thaw: 2 epochs in 3 s, 11% of the 18" in first
    assert f"mlpf-hpo train --lr 0.001 --epochs 24 --seed {inputs.params.seed} --out runs/best" in first
    assert "dvc exp run -S search.configurations=6" in first
    assert "/runs/r0?" in first


def test_long_tables_are_folded(text: str) -> None:
    opened = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert opened.count("<table") == 3  # the answer, the search, physics
    assert "Table 1" not in opened


def test_what_cannot_be_shown_is_said(text: str) -> None:
    for part in (
        "simulated, not measured on one",
        "needs 160 complete curves, this run has 11",
        "One machine (box-2c)",
        "Every scheduler ran once",
        "1 trial(s) diverged, 0 failed",
        "on 64 ttbar events, PU 0: with so few, it is expected to lose against the rules",
        "can&#39;t be compared with the paper",
    ):
        assert part in text, part


def test_the_same_inputs_give_the_same_bytes(inputs, report: Path, tmp_path: Path) -> None:
    build_report(inputs, tmp_path / "again")
    for file in sorted(path for path in report.rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(report)).read_bytes(), file.name


def test_numbers_for_dvc(report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["search.asha.epochs"] == 20
    regrets = [metrics[f"search.{name}.regret"] for name in ("asha", "asha+prediction", "freeze_thaw")]
    assert regrets == [0.0, 0.0, 0.5]
    assert metrics["benchmark.mlpf-train-cpu"] == 20.0
    assert 0.7 < metrics["physics.photon_efficiency"] < metrics["physics.photon_efficiency_ycand"] < 1
    assert (report / "incumbent.csv").read_text().splitlines()[0] == "scheduler,epochs,best_loss"
    assert len(list((report / "figures").glob("*.png"))) == 10 + 6


def test_the_lead_tells_more_as_more(inputs, tmp_path: Path) -> None:
    schedulers = {name: dict(policy) for name, policy in inputs.search["schedulers"].items()}
    schedulers["asha+prediction"]["epochs"] = 30
    worse = dataclasses.replace(inputs, search={**inputs.search, "schedulers": schedulers})
    text = build_report(worse, tmp_path).read_text()
    assert "30, 50% more," in text


def cells(text: str, caption: str) -> list[list[str]]:
    """Return the cells of the table whose caption begins so, row by row."""
    (table,) = (part for part in text.split("<table>")[1:] if f"<caption><div>{caption}" in part)
    body = table.split("<tbody>")[1].split("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def test_each_end_has_its_reason_and_each_search_its_regret(text: str) -> None:
    assert cells(text, "How each trial ended") == [
        ["t000", "2, finished", "2, finished", "2, finished"],
        ["t001", "2, rank", "2, rank", "not started"],
        ["t002", "2, prediction", "2, prediction", "not started"],
    ]
    assert [row[3] for row in cells(text, "The search.")] == ["0", "0", "0.5"]
    assert "prior of freeze-thaw: 12 curves of campaign abc" in text


def test_epochs_and_expectations_are_drawn_of_every_trial(text: str) -> None:
    drawn = {name: text.split(f'id="{name}-heading"')[1].split("</figure>")[0] for name in DRAWN}
    epochs = re.findall(r"<text[^>]*>(2|·)</text>", drawn["figure-epochs"])
    assert (epochs.count("2"), epochs.count("·")) == (7 + 1, 2), "and a trial of that number"
    assert "never started" in drawn["figure-posterior"]


def test_without_expectations_there_is_no_figure_of_them(inputs, tmp_path: Path) -> None:
    alone = {"asha": inputs.search["schedulers"]["asha"]}
    other = dataclasses.replace(inputs, search={**inputs.search, "schedulers": alone})
    assert "What was expected of every trial" not in build_report(other, tmp_path).read_text()


def test_what_replayed_searches_say_stands_beside_the_scores(inputs: ReportInput) -> None:
    plain = table_scores(inputs)
    ratio = {"mean": 0.8, "low": 0.7, "high": 0.9}
    names = inputs.predictors["predictors"]
    search = {"epochs_ratio": dict.fromkeys(names, ratio), "searches": 24, "decided_by": "spearman"}
    found = table_scores(dataclasses.replace(inputs, predictors={**inputs.predictors, "search": search}))
    assert found.header[:2] == ("predictor", "epochs")
    assert [row[:1] + row[2:] for row in found.rows] == [tuple(row) for row in plain.rows]
    assert [row[1].replace("\xa0", " ") for row in found.rows] == ["0.800 [0.700, 0.900]"] * 3 + ["–"]
    assert "24 replayed searches" in found.caption
    assert found.caption.endswith("Decided by spearman.")
    assert found.is_number[1]


def test_failed_trials_are_shown_apart_from_diverged_ones(inputs, tmp_path: Path) -> None:
    schedulers = {name: dict(policy) for name, policy in inputs.search["schedulers"].items()}
    schedulers["asha"] |= {"diverged": 7, "failed": 5}
    status = np.where(np.arange(len(inputs.curves)) < 2, "failed", inputs.curves.status)
    curves = dataclasses.replace(inputs.curves, status=status)
    worse = dataclasses.replace(inputs, curves=curves, search={**inputs.search, "schedulers": schedulers})
    text = build_report(worse, tmp_path).read_text()
    assert re.search(r"diverged</th><th[^>]*>failed</th>", text)
    assert re.search(r">ASHA</th>.*?<td[^>]*>7</td><td[^>]*>5</td>", text)
    assert "5 of 3 trials failed under ASHA:" in text
    assert "1 trial(s) diverged, 2 failed;" in text
    assert "1 diverged, 2 failed, 0 restart." in text


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(MissingInputError, match="the stage `events` makes it"):
        ReportInput.load(tmp_path)


def test_a_trial_without_a_network_is_not_among_the_campaigns_best(inputs: ReportInput) -> None:
    first, *others = best_runs(inputs)
    status = inputs.curves.status.copy()
    status[inputs.curves.run_ids.tolist().index(first)] = "diverged"
    curves = dataclasses.replace(inputs.curves, status=status)
    assert best_runs(dataclasses.replace(inputs, curves=curves))[: len(others)] == others


def test_a_rising_metric_is_reported_the_other_way_round(inputs: ReportInput, tmp_path: Path) -> None:
    rising = TargetMetric("fitness", "max")
    values = -inputs.curves.values  # negative: no logarithm
    curves = dataclasses.replace(
        inputs.curves, metrics={**inputs.curves.metrics, "fitness": values}, target=rising
    )
    search = copy.deepcopy(inputs.search) | {"target": rising.to_dict()}
    for policy in search["schedulers"].values():
        policy["incumbent"], policy["best_loss"] = [[1.0, -5.0], [20.0, -4.0]], -4.0
        for trial in policy["trials"]:
            trial["curve"], trial["train_curve"] = [-5.0, -4.0], []
    other = dataclasses.replace(inputs, curves=curves, search=search)
    assert best_runs(other) == best_runs(inputs), "the largest of what is negated is the smallest"
    page = build_report(other, tmp_path / "report").read_text()
    assert "fitness before and after the search" in page
    assert "best fitness" in page
    assert "alidation loss" not in page


def test_links_show_every_trial_of_a_large_campaign(inputs) -> None:
    n = 301
    rows = [row % len(inputs.curves) for row in range(n)]
    large = dataclasses.replace(
        inputs,
        curves=inputs.curves.select(rows),
        campaign={**inputs.campaign, "trials": [{"trial_id": f"t{i:03d}"} for i in range(n)]},
    )
    found = [url.partition("#")[2] for _, url in mlflow_links(large)]
    keys = [link.split("viewStateShareKey=")[1] for link in found if "viewStateShareKey" in link]
    parts = [f"curves-abc-t{hundred}00" for hundred in range(4)]
    diverged = "diverged-abc"
    compared = search_key(["k0", "k1", "k2"])
    assert keys == [*parts, diverged, "hardware-comparison-abc", compared]
    for figure in (CURVES, MACHINES):
        assert any(f"/runs/p/artifacts/{figure}" in link for link in found)


def test_another_task_under_four_schedulers_and_no_champion(inputs, tmp_path: Path) -> None:
    asha = inputs.search["schedulers"]["asha"]
    found = {f"s{i}": {**asha, "label": f"scheduler {i}", "epochs": 20 - i} for i in range(4)}
    found["s3"] = {**found["s3"], "not_promoted": 2, "not_started": 1}
    metrics = {name: values for name, values in inputs.curves.metrics.items() if "throughput" not in name}
    other = dataclasses.replace(
        inputs,
        params=inputs.params.model_copy(update={"task": "somebodys.module:Task"}),
        curves=dataclasses.replace(inputs.curves, metrics=metrics),
        search={**inputs.search, "schedulers": found, "champion": None},
        physics=None,
    )
    text = build_report(other, tmp_path).read_text()
    Page(text).close()
    assert "<title>somebodys.module:Task hyperparameter search</title>" in text
    assert "20 epochs under scheduler 0" in text
    assert "19, 5% fewer, under scheduler 1 (best loss 4), 18, 10% fewer, under scheduler 2" in text
    assert "and 17, 15% fewer, under scheduler 3" in text
    counts = "".join(rf"<td[^>]*>{n}</td>" for n in (1, 1, 1, 2, 1))
    assert re.search(rf">scheduler 3</th>.*?{counts}", text)
    assert "on the data of task somebodys.module:Task" in text
    assert "The champion" not in text
    assert "machines are not compared" in text
    for part in ("What the best trial reconstructs", "ttbar events", "can&#39;t be compared with the paper"):
        assert part not in text
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["search.s3.epochs"] == 17
    assert not [name for name in numbers if name.startswith("physics")]
