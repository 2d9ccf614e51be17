"""The page of other projects' schedulers beside freeze-thaw, from what `benchmarks.peers` measured.

python -m benchmarks.peers.page RESULTS.json [--out docs/peers.md]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.pages import page_command, read_json, table
from mlpf_hpo.errors import DataError, MlpfHpoError
from mlpf_hpo.files import write_text

AGAIN = "measure with: python -m benchmarks.peers --json FILE"

HEAD = """# Schedulers of other projects

Written by `python -m benchmarks.peers.page` from the numbers of `python -m benchmarks.peers`: epochs, of all
trials together, after which the mean regret of the best *fully trained* trial is at most .05, .02 and .01, in
units of median minus best final value of the searched curves; and mean epochs and regret at the end. Recorded
curves, the same rows, durations of epochs and workers for all. A search ends after the epochs of 20 full
trainings, or where nothing is left to run. `freeze_thaw` does not end by itself here, and has one setting;
`freeze_thaw.prior` has other curves of the same task as its prior campaign, which no peer takes.

Optuna 5.0.0's pruners stop, the others pause and go on. The schedulers of syne-tune 0.13.0 that have a model
(HyperTune, MOBSTER, DyHPO) choose among the rows; all others but `freeze_thaw` take them in their order.
syne-tune's DyHPO is, by its documentation, not the published one: it has MOBSTER's Gaussian process in place
of one with a network as its kernel, and promotes by rank at times.
SMAC 2.4.0's Hyperband ends, and promotes nothing more, where too few rows are left for another bracket. The
tables are halves on which `freeze_thaw` was designed, so that its numbers are flattered. Where a search takes
minutes there are few: compare numbers of as many searches.
"""

COLUMNS = "| scheduler | searches | .05 | .02 | .01 | epochs at the end | regret at the end |"


def page(results: Mapping[str, Any]) -> str:
    """Return the page."""
    text = HEAD
    for name, measured in results.items():
        limits = f"at most {measured['budget']} epochs, {measured['workers']} workers"
        text += f"\n## {name}\n\n{measured['configurations']} configurations, {limits}.\n\n"
        rows = [[peer, *_cells(found)] for peer, found in measured["peers"].items()]
        text += table(COLUMNS, rows)
    return text


def _cells(found: Mapping[str, Any]) -> list[str]:
    at = [found["epochs_at"][regret] for regret in ("0.05", "0.02", "0.01")]
    reached = ["never" if one is None else f"{one:.0f}" for one in at]
    return [str(found["seeds"]), *reached, f"{found['epochs']:.0f}", f"{found['regret']:.3f}"]


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, out="docs/peers.md")
    try:
        results = read_json(options.results, AGAIN)
        if not isinstance(results, dict) or not all("peers" in one for one in results.values()):
            raise DataError(f"{options.results}: not what the benchmark writes; {AGAIN}")
        write_text(options.out, page(results))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
