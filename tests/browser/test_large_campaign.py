"""Three hundred trials: each link shows what its label promises, though the UI loads a hundred at a time."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest

from tests.browser.large_campaign import CAMPAIGN, ON_THE_FIRST, TRIALS, curves
from tests.browser.pages import wait_for_charts, wait_for_figure

HEADING = f"campaign-{CAMPAIGN}"

PARTS = {"curves t000-t099": 100, "curves t100-t199": 100, "curves t200-t299": 100, "curves t300": 1}


def ids(curves_shown: list[dict]) -> set[str]:
    """Return the ids of the trials whose curves are shown."""
    return {re.match(r"t\d{3}", curve["name"])[0] for curve in curves_shown}


@pytest.mark.parametrize(("label", "n"), PARTS.items())
def test_all_parts_together_show_all_curves(ui, open_tab, label: str, n: int) -> None:
    tab = open_tab(ui.link(HEADING, label))
    tab.page.get_by_text(re.compile(rf"\b{n} matching runs?")).first.wait_for()
    first = int(re.search(r"t(\d{3})", label)[1])
    assert ids(wait_for_charts(tab, 2, n)) == {f"t{i:03d}" for i in range(first, first + n)}
    assert not tab.errors


def test_the_parts_are_all(ui) -> None:
    section = re.split(rf"^  {HEADING}$", ui.printed, flags=re.MULTILINE)[1].split("parent run:")[0]
    assert re.findall(r"^    (curves [^:]+):", section, flags=re.MULTILINE) == list(PARTS)
    assert sum(PARTS.values()) == TRIALS


def test_what_diverged_is_shown(ui, open_tab) -> None:
    diverged = [f"t{i:03d}" for i, curve in enumerate(curves()) if curve.status == "diverged"]
    tab = open_tab(ui.link(HEADING, "diverged"))
    tab.page.get_by_text(f"{len(diverged)} matching runs").wait_for()
    assert ids(wait_for_charts(tab, 2, len(diverged))) == set(diverged)
    assert not tab.errors


def test_a_sample_shows_both_machines(ui, open_tab) -> None:
    tab = open_tab(ui.link(HEADING, f"by machine (100 of {TRIALS})"))
    tab.page.get_by_text("Group by: hardware_label").wait_for()
    tab.page.get_by_text("100 matching runs").wait_for()
    rates: dict[str, list[float]] = {}
    for curve in wait_for_charts(tab, 1, 2):  # averages, and the bands around them
        rates.setdefault(curve["uuid"], []).extend(y for y in curve["y"] if y is not None)
    first, second = sorted(rates.values())
    assert max(first) < 100 + ON_THE_FIRST <= min(second), "the throughput of a trial is 100 and its number"
    row = tab.page.get_by_role("row").filter(has_text="Group: box-a").first
    assert "50" in row.inner_text().split()
    assert not tab.errors


def test_figures_show_all_of_it(ui, open_tab) -> None:
    for what in ("all curves (figure)", "all machines (figure)"):
        tab = open_tab(ui.link(HEADING, what))
        wait_for_figure(tab)
        if "curves" in what:
            tab.shoot("all-curves", "img[alt^='figures/']")


def test_the_best_ten_of_them(ui, open_tab) -> None:
    tab = open_tab(ui.link(HEADING, "best 10"))
    tab.page.get_by_text("Comparing 10 Runs from 1 Experiment").wait_for()
    losses = {
        f"{i:032x}": min(curve.losses) for i, curve in enumerate(curves()) if curve.status == "finished"
    }
    best = sorted(losses, key=losses.__getitem__)[:10]
    assert json.loads(unquote(tab.page.url).split("runs=")[1].split("&")[0]) == best
    assert not tab.errors
