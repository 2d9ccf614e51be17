"""What a page of MLflow shows: counted and read off in the browser."""

from __future__ import annotations

import json

TRACES = """() => [...document.querySelectorAll('.js-plotly-plot')]
  .map(plot => (plot.data || []).filter(trace => trace.mode))
  .filter(traces => traces.length > 0)
  .map(traces => traces.map(trace => ({
    uuid: trace.uuid, name: trace.name, x: [...(trace.x || [])], y: [...(trace.y || [])],
  })))"""
"""Curves of each chart on the page: runs, or groups of them, without the bands around averages."""

N_CURVES = f"() => ({TRACES})().map(traces => new Set(traces.map(trace => trace.uuid)).size)"

FIGURE = """() => [...document.images]
  .some(image => image.alt.startsWith('figures/') && image.naturalWidth > 1000)"""
"""Whether the page shows a figure among a run's artifacts."""


def wait_for_charts(tab, n_charts: int, n_curves: int) -> list[dict]:
    """Wait until the page shows so many charts with so many curves each, and return those of the last one."""
    wanted = json.dumps([n_curves] * n_charts)
    try:
        tab.page.wait_for_function(f"() => JSON.stringify(({N_CURVES})()) === JSON.stringify({wanted})")
    except Exception as error:
        raise AssertionError(f"charts have {tab.page.evaluate(N_CURVES)} curves") from error
    return tab.page.evaluate(TRACES)[-1]


def wait_for_figure(tab) -> None:
    """Wait until the page shows a figure."""
    tab.page.wait_for_function(FIGURE)
    assert not tab.errors
