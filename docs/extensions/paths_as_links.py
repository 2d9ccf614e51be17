"""Sphinx: a page that the text names by its path, as `docs/curves.md`, becomes a link with the page's title.

The pages are read in a terminal and on a forge, too, where a path is what one can open. A path that leads
nowhere is a warning, and so an error of `make docs`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

PATH = re.compile(r"(?<!\[)`docs/([\w/-]+)\.md`")
OUTSIDE = re.compile(r"\]\((?:\.\./)+(benchmarks|findings)/README\.md\)")
"""Links to pages of other folders, which the site shows under these names."""


def link_paths(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace paths of pages by links, in the source of a page."""
    here = Path(app.srcdir)

    def link(found: re.Match[str]) -> str:
        if (here / f"{found[1]}.md").is_file():
            return f"[](/{found[1]}.md)"
        logger.warning("%s names docs/%s.md, which does not exist", page, found[1])
        return found[0]

    source[0] = OUTSIDE.sub(r"](/\1.md)", PATH.sub(link, source[0]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", link_paths)
    app.connect("include-read", lambda app, _, page, source: link_paths(app, page, source))
    return {"parallel_read_safe": True}
