"""A directive whose content is Markdown that a function writes."""

from __future__ import annotations

from collections.abc import Callable

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def markdown_directive(write: Callable[[], str]) -> type[SphinxDirective]:
    """Return a directive in place of which stands what `write` returns, its headings included."""

    class Generated(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(write(), allow_section_headings=True)

    return Generated
