"""Decision records have their four parts, and what records, docs and code refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RECORDS = sorted((DOCS / "decisions").glob("*.md"))
PAGES = [*RECORDS, *sorted(DOCS.glob("*.md")), ROOT / "README.md"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_four_parts(record: Path) -> None:
    text = record.read_text()
    assert re.match(r"# (\d+)\. \S", text).group(1) == str(int(record.name[:4]))
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    assert parts[::2] == ["Context", "Decision", "Consequences", "Measured"]
    assert all(len(part.split()) > 3 for part in parts[1::2])


def test_records_have_numbers_of_their_own() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"(?:^|[\s`(])((?:tests|docs|benchmarks|studies|mlpf_hpo)/[\w./-]*\w)", text):
        assert (ROOT / path).exists(), path


def test_code_refers_to_records_that_are_there() -> None:
    numbers = {record.name[:4] for record in RECORDS}
    for folder in ("mlpf_hpo", "benchmarks", "studies", "pipelines"):
        for file in (ROOT / folder).rglob("*.py"):
            for number, name in re.findall(r"decisions/(\d{4})([\w-]*)", file.read_text()):
                assert number in numbers, file
                assert not name or (DOCS / "decisions" / f"{number}{name}.md").exists(), file
