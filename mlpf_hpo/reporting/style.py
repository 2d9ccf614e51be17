"""Style of the report's figures: SVG, readable in light and dark, the same bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from mlpf_hpo.plotting import INK, SETTINGS


@dataclass(frozen=True)
class Panel:
    """A figure of the report with its id, its heading, and what it was measured on."""

    name: str
    title: str
    caption: str
    figure: Figure

    @cached_property
    def svg(self) -> Markup:
        """The figure as inline SVG, drawn once."""
        return Markup(_svg(self.figure, self.name, self.title))  # noqa: S704


@contextmanager
def ratio_canvas(
    rows: int, columns: int, width: float = 6.6, height: float = 2.9
) -> Iterator[tuple[Figure, list[tuple[mpl.axes.Axes, mpl.axes.Axes]]]]:
    """Yield a figure with pairs of axes, row by row: a panel, and below it a narrow one for a ratio.

    `height` is that of one row; the legend has half an inch above all rows. The places are fixed: what solves
    for them with so many axes does not find the same last digits every time.
    """
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        total = height * rows + LEGEND_HEIGHT
        figure = Figure(figsize=(width, total))
        outer = figure.add_gridspec(
            rows,
            columns,
            left=0.68 / width,
            right=1 - 0.12 / width,
            bottom=0.5 / total,
            top=1 - (LEGEND_HEIGHT + 0.3) / total,
            hspace=0.85 / (height - 0.8),
            wspace=0.3,
        )
        pairs = []
        for place in (outer[i, j] for i in range(rows) for j in range(columns)):
            inner = place.subgridspec(2, 1, height_ratios=(2.4, 1), hspace=0.12)
            above = figure.add_subplot(inner[0])
            pairs.append((above, figure.add_subplot(inner[1], sharex=above)))
            above.tick_params(labelbottom=False)
        yield figure, pairs


LEGEND_HEIGHT = 0.5
"""Inches above the panels of `ratio_canvas`."""


def _svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as inline SVG that takes the page's text colour; all ids begin with `name`."""
    stream = io.StringIO()
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'xlink:href="#', f'href="#{name}-', text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    attributes = f'role="img" aria-labelledby="{name}-title"'
    return text.replace("<svg", f"<svg {attributes}", 1).replace(
        ">", f'>\n<title id="{name}-title">{escape(title)}</title>', 1
    )
