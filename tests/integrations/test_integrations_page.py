"""The table of docs/integrations.md is that of the numbers beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.integrations_page import with_table
from mlpf_hpo.errors import DataError

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_holds_what_was_measured() -> None:
    page = (DOCS / "integrations.md").read_text(encoding="utf-8")
    results = json.loads((DOCS / "integrations.json").read_text(encoding="utf-8"))
    assert with_table(page, results) == page
    results["searches"]["the script as it was"]["share"] = [0.5, 0.4, 0.6]
    assert "50 % [40, 60]" in with_table(page, results)


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(DataError, match="lacks <!-- measured: begin -->"):
        with_table("# A page\n", {})
