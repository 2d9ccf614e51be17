"""A page of ours: one file that works offline, on a phone, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mlpf_hpo.reporting.style import Panel

WIDTH = "max-width: 60rem;"

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --page: #ffffff; --soft: #5a636e; --line: #d9dde2; --link:
#1a5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --page: #14171a; --soft: #a5afba; --line: #343a41; --link: #7db8f0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
a { color: var(--link); }
p.lead { font-size: 1.1rem; }
figure { margin: 1rem 0; }
figure svg { width: 100%; min-width: 34rem; height: auto; display: block; color: var(--ink); }
figcaption, caption { color: var(--soft); font-size: .9rem; text-align: left; }
figcaption { margin-top: .5rem; max-width: 50rem; }
caption { padding-bottom: .5rem; }
caption div { position: sticky; left: 0; max-width: min(100vw - 2rem, 50rem); }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--link); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; }
nav ul { padding-left: 1.2rem; }
"""


def figure_section(panel: Panel, drawn: str) -> str:
    """Return a section with a figure: its heading, the drawing that `style.svg` made, and its caption."""
    name = panel.name
    return (
        f'<section aria-labelledby="{name}-heading"><h2 id="{name}-heading">{escape(panel.title)}</h2>'
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="{name}, drawing">'
        f"{drawn}</div><figcaption>{escape(panel.caption)}</figcaption></figure></section>"
    )


def bullets(texts: Sequence[str]) -> str:
    """Return a list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def whole_page(title: str, parts: Sequence[str], width: str = "60rem") -> str:
    """Return a page of HTML parts, at most so wide."""
    style = STYLE.replace(WIDTH, f"max-width: {width};", 1)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )
