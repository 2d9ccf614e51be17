"""The report in a browser: offline, on a phone, in the dark, by keyboard, and for those who can't see it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.reporting.figures import FIGURES
from mlpf_hpo.reporting.physics_figures import SHOWN
from mlpf_hpo.reporting.search_figures import search_panels
from mlpf_hpo.reporting.site import build_report
from tests.reporting.conftest import HOST

PHONE = 360


@pytest.fixture(scope="module")
def report(inputs, tmp_path_factory) -> Path:
    """Return the page of a campaign that two machines trained."""
    n = len(inputs.curves)
    hardware = np.where(np.arange(n) < n // 2, "box-2c", "gpu-node-16c")
    gpu = {"name": "NVIDIA X", "memory_bytes": 2**36, "driver": "1"}
    hosts = [HOST, {**HOST, "hardware_label": "gpu-node-16c", "gpus": [gpu]}]
    two = dataclasses.replace(
        inputs,
        curves=dataclasses.replace(inputs.curves, hardware=hardware),
        campaign_runs={**inputs.campaign_runs, "hosts": hosts},
    )
    return build_report(two, tmp_path_factory.mktemp("report"))


@pytest.fixture
def open_report(open_tab, report: Path):
    """Return a function that opens the report with the network off."""
    return lambda **settings: open_tab(report.as_uri(), offline=True, **settings)


@pytest.mark.parametrize("width", [1200, PHONE])
def test_it_is_whole_without_a_network(open_report, inputs, report: Path, width: int) -> None:
    tab = open_report(width=width)
    assert tab.page.locator("svg").count() == len(FIGURES) + len(SHOWN) + len(search_panels(inputs))
    assert tab.requests == [report.as_uri()]
    assert not tab.errors


def test_a_phone_shows_it_without_scrolling_sideways(open_report) -> None:
    tab = open_report(width=PHONE, height=740)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE
    smallest = tab.page.evaluate(
        "Math.min(...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height))"
    )
    assert smallest >= 8, "labels of figures are legible"
    tab.page.locator("#figure-7-heading").scroll_into_view_if_needed()
    tab.shoot("report-phone")


@pytest.mark.parametrize(("scheme", "width", "rule"), [
    ("light", PHONE, "scrollable-region-focusable"),
    ("dark", 1200, "landmark-unique"),
])  # fmt: skip
def test_nothing_for_an_accessibility_checker_to_find(
    open_report, scheme: str, width: int, rule: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = open_report(scheme=scheme, width=width)
    found = axe.Axe().run(tab.page)
    assert found.violations_count == 0, found.generate_report()
    checked = tab.page.evaluate("axe.run({resultTypes: ['passes']}).then(r => r.passes.map(p => p.id))")
    assert {"color-contrast", "html-has-lang", rule} <= set(checked), "the checker looked"
    if scheme == "dark":
        tab.shoot("report-dark")


def test_figures_take_the_colour_of_the_page(open_report) -> None:
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    page = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        tab = open_report(scheme=scheme)
        seen[scheme] = (tab.page.evaluate(ink), tab.page.evaluate(page))
    assert seen["light"] != seen["dark"]
    assert contrast(*seen["light"]) > 7
    assert contrast(*seen["dark"]) > 7


def test_what_scrolls_can_be_reached_by_keyboard(open_report) -> None:
    tab = open_report(width=PHONE)
    assert tab.page.locator("details").count() >= 6
    tab.page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    wide = tab.page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1"
        " && getComputedStyle(e).overflowX === 'auto').length"
    )
    assert wide >= 7
    reached = set()
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    regions = tab.page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(e => e.getAttribute('aria-label'))"
    )
    assert set(regions) <= reached
    tab.page.evaluate(
        "window.wide = [...document.querySelectorAll('.scroll')]"
        ".find(e => e.scrollWidth > e.clientWidth + 1);"
        "window.wide.focus()"
    )
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function("window.wide.scrollLeft > 0")


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours ``rgb(r, g, b)`` as WCAG defines it."""

    def luminance(colour: str) -> float:
        channels = [int(c) / 255 for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)
