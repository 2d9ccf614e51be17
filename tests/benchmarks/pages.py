"""Pages made of results that a test wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def made_by(
    main: Callable[[], None], name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> Path:
    """Run a page's command on a file of this content, and return where the page would be."""
    (folder / "results.json").write_text(content, encoding="utf-8")
    page = folder / "docs" / name
    monkeypatch.setattr(sys, "argv", ["page", str(folder / "results.json"), "--out", str(page)])
    main()
    return page
