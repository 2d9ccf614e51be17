"""The table of docs/integrations.md, from what `benchmarks.integrations` measured.

python -m benchmarks.integrations_page docs/integrations.json [--out docs/integrations.md]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages import page_command, read_json, table
from mlpf_hpo.errors import DataError, MissingInputError, MlpfHpoError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.integrations --json FILE"
PAGE = "docs/integrations.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def measured(results: Mapping[str, Any]) -> str:
    """Return what was measured, in words and a table."""
    rows = [[f"`{how}`" if "(" in how else how, *_cells(found)] for how, found in results["searches"].items()]
    sizes = f"{results['trials']} configurations, {results['epochs']} epochs, {results['seeds']} seeds"
    text = f"{sizes}; means over the seeds with their 95 % intervals.\n\n"
    return text + table("| | epochs trained, of all | best loss above that of full trainings |", rows)


def with_table(page: str, results: Mapping[str, Any]) -> str:
    """Return a page with the table between its marks.

    Raises
    ------
    DataError
        If it has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{PAGE}: lacks {BEGIN.strip()} or {END.strip()}, between which the table stands")
    return before + begin + measured(results) + end + after


def _cells(found: Mapping[str, list[float]]) -> list[str]:
    return [
        f"{100 * mean:.{digits}f} % [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
        for (mean, low, high), digits in ((found["share"], 0), (found["worse"], 1))
    ]


def main() -> None:
    """Write the table into the page."""
    options = page_command(__doc__, out=PAGE)
    try:
        results = read_json(options.results, AGAIN)
        if not isinstance(results, dict) or "searches" not in results:
            raise DataError(f"{options.results}: not what the benchmark writes; {AGAIN}")
        if not Path(PAGE).exists():
            raise MissingInputError(f"{PAGE}: not there; run this in the project's folder")
        write_text(options.out, with_table(Path(PAGE).read_text(encoding="utf-8"), results))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
