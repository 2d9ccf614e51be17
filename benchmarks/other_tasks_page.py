"""The page of what selection adds to persistence on other tasks, from what `benchmarks.other_tasks` measured.

python -m benchmarks.other_tasks_page RESULTS.json [--before EARLIER.json] [--out docs/other_tasks.md]
"""

from __future__ import annotations

from typing import Any

from benchmarks.other_tasks import RISING, TASKS
from benchmarks.pages import page_command
from benchmarks.selection_page import comparison, write_page

AGAIN = "measure with: python -m benchmarks.other_tasks --json FILE"

HEAD = """# What selection adds on curves of other tasks

Written by `python -m benchmarks.other_tasks_page` from the numbers of `python -m benchmarks.other_tasks`,
which trains {trials} random configurations of scikit-learn's networks on each task. `breast_cancer`,
`diabetes` and `digits` show the same rows in every epoch: many networks overfit, and the last loss seen says
little. `friedman` and `quantiles` bring new rows in every epoch: losses fall to the end, and the last one
seen is hard to beat. `{rising}` are the accuracies of `digits`, of which large ones are good; the
others are losses.

The stacked models were found on these curves, among others, and among the splits that are reported here
([selection rule](selection_rule.md)): the numbers are flattered.

"""


def page(results: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    """Return the page."""
    head = HEAD.format(trials=results["trials"], rising=RISING)
    return head + comparison(results, (*TASKS, RISING), before)


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, out="docs/other_tasks.md", earlier=True)
    write_page(options, page, {"splits", "candidates", "trials", *TASKS, RISING}, AGAIN)


if __name__ == "__main__":
    main()
