"""The page of what criteria of selection save in searches, from what `benchmarks.criterion` measured.

python -m benchmarks.criterion_page RESULTS.json [--out docs/criterion.md]
"""

from __future__ import annotations

from typing import Any

from benchmarks.pages import page_command, read_json, table
from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.criterion --json FILE"

HEAD = """# Chosen by what it saves

Written by `python -m benchmarks.criterion_page` from the numbers of `python -m benchmarks.criterion`.

`predictors.criterion: search`, the default, scores a candidate by replayed searches. Curves that no fit of
it saw are searched by promotion of the trials with the best predicted final values (`PromotionASHA` by
predicted instead of last values: first rung 1, eta 3), one trial at a time, in random orders. Its ratio is
the number of epochs that all trials together take until one is trained to the end whose regret is at most
.02 - the distance of its final value from the best of the searched, in units of their median minus best -
over the number that promotion by last values takes on the same configurations in the same order: the
geometric mean over the searches. Below 1 it saves epochs.

A candidate whose ratio is above the best one's beyond the 95 % interval of the paired ratio is out. If
others are left beside the best, the rank correlation of predicted and final values decides among these, its
mean over all shares of the curve at which a search may ask: before the first epoch, and at the rungs.
`results/predictors.json` (`search`), the tag `decided_by` of the MLflow runs and the report say which of
both decided. A predictor that searches chose is followed in full; one that ranks chose only as far as its
gain is sure, as before.

Wherever predictors are chosen for one share of the curve, by `mlpf-hpo predictors fit` and `evaluate`, no
search is replayed: there `search` means the rank correlation at that share.

## Would other criteria have chosen as well?

Of {tables} the design part alone (`benchmarks/splits/`). In each of {splits} splits by configuration a
predictor is chosen on the training curves by each criterion: by replayed searches, or by predictions at 25 %
of the curve, as before. Then it is fitted on all training curves, and the others are searched with it.
Candidates: {candidates}; none is shrunk toward the last value here. Intervals are those of other splits of
these curves, not of other curves.

"""

COLUMNS = "| curves | training, searched | criterion | epochs | those with `search` over these | chosen |"

CANDIDATES = """
## What each candidate saves

On the same splits, chosen by nobody; `hindsight` is the best of each split, which one only knows afterwards.

"""

DECIDED = """
Searches of the training curves alone decided in {share} of the splits; in the others ranks did.
"""


def page(results: dict[str, Any]) -> str:
    """Return the page."""
    tables = results["tables"]
    candidates = ", ".join(f"`{name}`" for name in results["candidates"])
    head = HEAD.format(tables=", ".join(tables), splits=results["splits"], candidates=candidates)
    decided = ", ".join(f"{one['decided_by_search']:.0%} ({name})" for name, one in tables.items())
    rows = [
        [
            name,
            f"{one['train']}, {one['searched']}",
            criterion,
            ratio(found["ratio"]),
            "" if criterion == "search" else ratio(found["search_over_this"]),
            ", ".join(
                f"{which} {n}" for which, n in sorted(found["chosen"].items(), key=lambda two: -two[1])
            ),
        ]
        for name, one in tables.items()
        for criterion, found in one["criteria"].items()
    ]
    names = [*results["candidates"], "hindsight"]
    each = [
        [name, *(ratio({**one["candidates"], "hindsight": one["hindsight"]}[which]) for which in names)]
        for name, one in tables.items()
    ]
    return (
        head
        + table(COLUMNS, rows)
        + DECIDED.format(share=decided)
        + CANDIDATES
        + table(f"| curves | {' | '.join(names)} |", each)
    )


def ratio(found: dict[str, float]) -> str:
    """Return a ratio with its interval, **bold** where all of it is below 1, *italic* where above."""
    edges = f"[{found['low']:.2f}, {found['high']:.2f}]"
    if found["high"] < 1:
        return f"**{found['mean']:.2f}** {edges}"
    return f"*{found['mean']:.2f}* {edges}" if found["low"] > 1 else f"{found['mean']:.2f} {edges}"


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, "docs/criterion.md")
    try:
        write_text(options.out, page(read_json(options.results, AGAIN)))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
