"""Tables in Markdown, for the studies' pages of the site."""

from __future__ import annotations

from mlpf_hpo.reporting.tables import Table


def markdown(table: Table) -> str:
    """Return a caption and its table in Markdown; short rows are filled with empty cells.

    Examples
    --------
    >>> print(markdown(Table("Two of them.", ("name", "n"), [("a", "1"), ("b",)])), end="")
    Two of them.
    <BLANKLINE>
    | name | n |
    | --- | --- |
    | a | 1 |
    | b |  |
    """
    width = len(table.header)
    lines = [table.header, ["---"] * width, *([*row, *[""] * (width - len(row))] for row in table.rows)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{table.caption}\n\n{rows}"
