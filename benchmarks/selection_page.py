"""The page of what selection adds to persistence, from what `benchmarks.predictors` measured.

python -m benchmarks.selection_page RESULTS.json [--out docs/selection.md]
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.pages import page_command, read_json, table
from benchmarks.predictors import METRICS, ROW_SETS
from mlpf_hpo.errors import DataError, MlpfHpoError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.predictors --json FILE"

HEAD = """# What selection adds to the last loss seen

Written by `python -m benchmarks.selection_page` from the numbers of `python -m benchmarks.predictors`, on the
published learning curves. How the candidates were found, on splits of another seed, and the rule, on
[curves of other tasks](other_tasks.md), stands in
[selection rule](selection_rule.md).

Rows: all curves, grouped by configuration; one curve of each configuration (`distinct`); those of them
without a restart (`clean`).

"""

METHOD = """In each of {splits} splits a predictor is selected by cross-validation within the training curves,
and scored on the others beside persistence; it is followed as far as its gain within the training curves is
sure. Candidates: {candidates}.

Numbers are means of the differences, selected minus persistence, with the 95 % interval of a bootstrap over
splits: of other splits of these curves, not of other curves. **Bold**: the interval lies above zero;
*italic*: below. The last column tells how often which predictor was selected.

"""

BELOW_BY_CHANCE = 0.025
"""Share of 95 % intervals that lie below zero where there is no difference."""

CHANCE = """
Of {intervals} such intervals {below:.1f} would lie below zero by chance alone where nothing differs.
"""

PRIOR = """
From the hyperparameters alone, before the first epoch, `gaussian_process` ranks the final losses of clean
rows with a Spearman correlation of {mean:.3f} [{low:.3f}, {high:.3f}] (training on {train} curves).
"""

TITLES = {"r2_loss": "R2", "spearman": "Spearman", "top_recall": "top-10 recall"}


def page(results: dict[str, Any]) -> str:
    """Return the page."""
    return HEAD + comparison(results, ROW_SETS) + PRIOR.format(**results["prior"])


def comparison(results: dict[str, Any], sets: Iterable[str]) -> str:
    """Return how it was measured, the table of the given sets, and how often a metric was better or worse."""
    cells = [
        (name, train.removeprefix("n"), share.removeprefix("share"), one)
        for name in sets
        for train, by_share in results[name].items()
        for share, one in by_share.items()
    ]
    intervals = len(METRICS) * len(cells)
    candidates = ", ".join(f"`{name}`" for name in results["candidates"])
    titles = " | ".join(TITLES[metric] for metric in METRICS)
    head = f"| rows | training curves | seen | {titles} | coverage of 90 % | selected |"
    return "".join(
        [
            METHOD.format(splits=results["splits"], candidates=candidates),
            table(head, [row(*cell) for cell in cells]),
            "\n",
            *(tally(metric, [one for *_, one in cells]) for metric in METRICS),
            CHANCE.format(intervals=intervals, below=intervals * BELOW_BY_CHANCE),
        ]
    )


def row(name: str, train: str, share: str, one: dict[str, Any]) -> list[str]:
    """Return the cells of a row of the table."""
    differences = one["selected_minus_persistence"]
    chosen = sorted(one["chosen"].items(), key=lambda item: (-item[1], item[0]))
    return [
        name,
        train,
        f"{share} %",
        *(difference(differences[metric]) for metric in METRICS),
        f"{one['coverage']:.2f}",
        ", ".join(f"{predictor} {times}" for predictor, times in chosen),
    ]


def tally(metric: str, cells: list[dict[str, Any]]) -> str:
    """Return a line on how often a metric was better, and how often worse, beyond its interval."""
    found = [one["selected_minus_persistence"][metric] for one in cells]
    better, worse = sum(d["low"] > 0 for d in found), sum(d["high"] < 0 for d in found)
    return f"- {TITLES[metric]}: better beyond the interval in {better} of {len(found)}, worse in {worse}.\n"


def difference(found: dict[str, float]) -> str:
    """Return a difference with its interval, marked where that excludes zero."""
    mark = "**" if found["low"] > 0 else "*" if found["high"] < 0 else ""
    return f"{mark}{found['mean']:+.4f}{mark} [{found['low']:+.4f}, {found['high']:+.4f}]"


def read(path: Path, needed: Iterable[str], again: str) -> dict[str, Any]:
    """Return what a benchmark wrote.

    Raises
    ------
    MissingInputError, DataError
        If it is not there, or is not such a file.
    """
    content = read_json(path, again)
    if not isinstance(content, dict) or set(needed) - set(content):
        raise DataError(f"{path}: not what the benchmark writes; {again}")
    return content


def write_page(
    options: Namespace, page: Callable[[dict[str, Any]], str], needed: Iterable[str], again: str
) -> None:
    """Write a page of a benchmark's numbers, or end with what is wrong with them."""
    try:
        write_text(options.out, page(read(options.results, needed, again)))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise SystemExit(
            f"error: {options.results}: not what the benchmark writes ({error!r}); {again}"
        ) from None


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, out="docs/selection.md")
    write_page(options, page, {"splits", "candidates", "prior", *ROW_SETS}, AGAIN)


if __name__ == "__main__":
    main()
