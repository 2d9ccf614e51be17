"""Stage `report`: ``python -m studies.live_search.report FOLDER`` compares the schedulers, and draws them."""

import sys
from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write FOLDER/results/metrics.json and FOLDER/results/search.png."""
    from mlpf_hpo.files import read_record, write_bytes, write_json
    from studies.live_search.comparison import compare_schedulers, describe
    from studies.live_search.figure import figure_search
    from studies.live_search.params import read_study

    folder = Path(sys.argv[1])
    results, study = folder / "results", read_study(folder)
    study.params()  # refuses a yardstick that is no scheduler
    streams = read_record(results / "searches.json", "search")["streams"]
    repeats = read_record(results / "repeats.json", "repeats")["streams"]
    compared = compare_schedulers(streams, repeats, study.yardstick)
    write_json(results / "metrics.json", compared)
    write_bytes(results / "search.png", figure_search(streams, compared["deviation_between_seeds"]))
    console.out.print("\n".join(describe(compared)))


if __name__ == "__main__":
    console.run(main)
