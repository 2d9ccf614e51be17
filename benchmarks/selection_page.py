"""The page of what selection adds to persistence, from what `benchmarks.predictors` measured.

python -m benchmarks.selection_page RESULTS.json [--before EARLIER.json] [--out docs/selection.md]
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.against import SHARE, TRAIN
from benchmarks.pages import page_command, read_json, table
from benchmarks.prior_rivals import RANKINGS
from benchmarks.selected import METRICS
from benchmarks.tables import ROW_SETS
from mlpf_hpo.errors import DataError, MlpfHpoError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.predictors --json FILE"

HEAD = """# What selection adds to the last loss seen

Written by `python -m benchmarks.selection_page` from the numbers of `python -m benchmarks.predictors`, on the
published learning curves. How the models were found stands in [selection rule](selection_rule.md): on the
`clean` rows, two tables of other people's trainings and the [curves of other tasks](other_tasks.md), among
the splits that are reported here. So these numbers are flattered; curves that had no part in it are the test.

Rows: all curves, grouped by configuration; one curve of each configuration (`distinct`); those of them
without a restart (`clean`). {others}

"""

OTHERS = "Other people's trainings, by `--table`, their numbers put beside: {names}."

METHOD = """In each of {splits} splits a predictor is selected by cross-validation within the training curves,
and scored on the others. Candidates: {candidates}.

Numbers are means of differences on the same splits, with the 95 % interval of a bootstrap over splits: of
other splits of these curves, not of other curves. **Bold**: the interval lies above zero; *italic*: below.
{before}"""

BEFORE = """In parentheses: what the selection gave before hyperparameters and curve were stacked, on the same
splits.
"""

MORE = """
## More of the curve against none

Selected with so much of the curve seen, minus selected before the first epoch. Information should only help.

"""

FIRST = """
## Before the first epoch

Selected from the hyperparameters alone, minus the best of the package's Gaussian process, extremely
randomised trees, gradient boosting and the mean of the first two's ranks: the one that is best on that table,
which one only knows afterwards.

"""

COVERAGE = """
## Coverage of the 90 % intervals

Among all test curves, among the best third at the time (the survivors of a rung), and among the eventual best
twentieth; beside the first, the share of splits in which less than 80 % were covered.

"""

TIME = """
## Time

`predictors evaluate --predictors selected` on the `{table}` curves, {train} of them to train on, {share:.0%}
of each seen, {splits} splits, takes {ratio:.2f} times the processor time of {commit}: {ratio_low:.2f} to
{ratio_high:.2f} in {rounds:.0f} rounds in turns; {after_seconds:.0f} s against {before_seconds:.0f} s
(medians). Each chooses among the candidates of its own params.yaml.{at}
"""

MEASURED_AT = " Measured at commit {commit}, not again since."

BELOW_BY_CHANCE = 0.025
"""Share of 95 % intervals that lie below zero where there is no difference."""

TITLES = {"r2_loss": "R2", "spearman": "Spearman", "top_recall": "top-10 recall"}

Cell = tuple[str, str, str, dict[str, Any]]
"""Table, training curves, share seen, and the numbers."""


def page(results: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    """Return the page."""
    others = [name for name, found in results.items() if name not in ROW_SETS and _is_table(found)]
    told = OTHERS.format(names=", ".join(f"`{name}`" for name in others)) if others else ""
    head = HEAD.format(others=told).replace(" \n", "\n")
    return head + comparison(results, (*ROW_SETS, *others), before) + time_against(results)


def _is_table(found: Any) -> bool:
    return isinstance(found, dict) and all(key.startswith("n") and key[1:].isdigit() for key in found)


def comparison(results: dict[str, Any], sets: Iterable[str], before: dict[str, Any] | None = None) -> str:
    """Return how it was measured, and the tables of the given sets, earlier numbers beside today's."""
    cells: list[Cell] = [
        (name, train.removeprefix("n"), share.removeprefix("share"), one)
        for name in sets
        for train, by_share in results[name].items()
        for share, one in by_share.items()
    ]
    seen = [cell for cell in cells if "selected_minus_persistence" in cell[-1]]
    candidates = ", ".join(f"`{name}`" for name in results["candidates"])
    method = METHOD.format(splits=results["splits"], candidates=candidates, before=BEFORE if before else "")
    return "".join(
        [
            method,
            "\n## Beside the last value seen\n\nSelected minus persistence.\n\n",
            differences("selected_minus_persistence", METRICS, seen, before),
            MORE,
            differences("selected_minus_share0", RANKINGS, seen),
            FIRST,
            differences("selected_minus_best", RANKINGS, [cell for cell in cells if cell not in seen]),
            COVERAGE,
            covered(cells, before),
        ]
    )


def time_against(results: dict[str, Any]) -> str:
    """Return the time of an evaluation beside that of another commit; nothing if it was not measured."""
    if "against" not in results:
        return ""
    against = results["against"]
    return TIME.format(
        table=ROW_SETS[-1],
        train=TRAIN,
        share=SHARE,
        splits=results["splits"],
        commit=against["commit"],
        at=MEASURED_AT.format(commit=against["at"]) if "at" in against else "",
        **against["evaluate"],
    )


def differences(
    key: str, metrics: Sequence[str], cells: Sequence[Cell], before: dict[str, Any] | None = None
) -> str:
    """Return a table of differences, and how often a metric was better or worse beyond its interval."""
    titles = " | ".join(TITLES[metric] for metric in metrics)
    rows = [
        [
            *_where(cell),
            *(difference(cell[-1][key][m]) + _earlier(before, cell, key, m) for m in metrics),
            _chosen(cell),
        ]
        for cell in cells
    ]
    text = table(f"| curves | training curves | seen | {titles} | selected |", rows) + "\n"
    for metric in metrics:
        found = [one[key][metric] for *_, one in cells]
        better, worse = sum(d["low"] > 0 for d in found), sum(d["high"] < 0 for d in found)
        least, mean = min(d["mean"] for d in found), sum(d["mean"] for d in found) / len(found)
        text += (
            f"- {TITLES[metric]}: better beyond the interval in {better} of {len(found)}, worse in {worse}; "
            f"on average {mean:+.4f}, at worst {least:+.4f}.\n"
        )
    intervals = len(metrics) * len(cells)
    chance = intervals * BELOW_BY_CHANCE
    return f"{text}\nOf {intervals} such intervals {chance:.1f} would lie below zero by chance alone.\n"


def covered(cells: Sequence[Cell], before: dict[str, Any] | None) -> str:
    """Return the table of coverages."""
    rows = []
    for cell in cells:
        found = cell[-1]["coverage"]
        old = _cell_of(before, cell).get("coverage")
        earlier = f" ({old:.2f})" if isinstance(old, float) else ""
        rows.append(
            [
                *_where(cell),
                f"{found['all']['mean']:.2f}{earlier}",
                f"{found['all']['below_80']:.2f}",
                f"{found['best_third']['mean']:.2f}",
                f"{found['best_twentieth']['mean']:.2f}",
            ]
        )
    return table(
        "| curves | training curves | seen | all | splits below .80 | best third | best twentieth |", rows
    )


def _where(cell: Cell) -> list[str]:
    return [cell[0], cell[1], f"{cell[2]} %"]


def _chosen(cell: Cell) -> str:
    chosen = sorted(cell[-1]["chosen"].items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{predictor} {times}" for predictor, times in chosen)


def _cell_of(before: dict[str, Any] | None, cell: Cell) -> dict[str, Any]:
    name, train, share, _ = cell
    found: Any = before or {}
    for key in (name, f"n{train}", f"share{share}"):
        found = found.get(key, {})
    return dict(found)


def _earlier(before: dict[str, Any] | None, cell: Cell, key: str, metric: str) -> str:
    found = _cell_of(before, cell).get(key, {}).get(metric)
    return f" ({found['mean']:+.4f})" if found else ""


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
    options: Namespace,
    page: Callable[[dict[str, Any], dict[str, Any] | None], str],
    needed: Iterable[str],
    again: str,
) -> None:
    """Write a page of a benchmark's numbers, or end with what is wrong with them."""
    try:
        before = None if options.before is None else read(options.before, (), again)
        write_text(options.out, page(read(options.results, needed, again), before))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise SystemExit(
            f"error: {options.results}: not what the benchmark writes ({error!r}); {again}"
        ) from None


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, out="docs/selection.md", earlier=True)
    write_page(options, page, {"splits", "candidates", *ROW_SETS}, AGAIN)


if __name__ == "__main__":
    main()
