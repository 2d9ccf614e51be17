"""Templates: what they are given is text, tables keep their cells, what is missing is an error."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import pytest

from mlpf_hpo.reporting.page import render_page
from mlpf_hpo.reporting.tables import Table

PARTS = '{% extends "page.html" %}{% import "parts.html" as parts %}{% block main %}'


def parsed(page: str, tag: str) -> ElementTree.Element:
    """Return the first element of a name; the templates' HTML is XML as well."""
    return ElementTree.fromstring(re.search(rf"<{tag}>.*</{tag}>", page, re.DOTALL).group())  # noqa: S314


def rendered(folder: Path, template: str, **values: object) -> str:
    (folder / "one.html").write_text(f"{PARTS}{template}{{% endblock %}}")
    return render_page("one.html", folder, **values)


def test_a_value_is_text_wherever_it_stands(tmp_path: Path) -> None:
    text = "<b>a & \"b\" 'c'</b>"
    table = Table(text, (text, "n"), [(text, "1")])
    page = rendered(
        tmp_path, "{{ parts.table(table) }}{{ parts.bullets([text]) }}", title=text, table=table, text=text
    )
    root = parsed(page, "main")
    assert [e.text for e in root.iter() if e.text == text] == [text] * 4, "caption, header, row, list"
    assert root.find("div").attrib["aria-label"] == text
    assert "<b>" not in page


def test_a_table_keeps_its_cells(tmp_path: Path) -> None:
    table = Table(
        "Three rows.", ("name", "x", "y"), [("a", "1", "b"), ("c", "-2.5 [1, 3]", "d"), ("e", "not possible")]
    )
    page = rendered(tmp_path, "{{ parts.table(table) }}", title="t", table=table)
    root = parsed(page, "table")
    assert [[cell.text for cell in row] for row in root.iter("tr")] == [
        ["name", "x", "y"],
        *map(list, table.rows),
    ]
    assert [cell.get("class") for cell in root.iter("td")] == ["number", None, "number", None, None]
    assert [cell.get("colspan") for cell in root.iter("td")] == [None] * 4 + ["2"]
    assert [cell.get("scope") for cell in root.iter("th")] == ["col"] * 3 + ["row"] * 3


def test_the_width_is_the_templates(tmp_path: Path) -> None:
    assert "max-width: 60rem; padding" in rendered(tmp_path, "", title="t")
    (tmp_path / "two.html").write_text('{% extends "page.html" %}{% set width = "80rem" %}')
    assert "max-width: 80rem; padding" in render_page("two.html", tmp_path, title="t")


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="lead"):
        rendered(tmp_path, "{{ lead }}", title="t")
    with pytest.raises(jinja2.TemplateNotFound):
        render_page("nothing.html", tmp_path, title="t")
