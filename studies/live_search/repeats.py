"""Stage `repeats`: what each scheduler found best on each stream, trained again with other seeds.

``python -m studies.live_search.repeats FOLDER``. A search's best loss is the luckiest of many trainings;
that of its configuration with another seed is not. Losses that differ by less than repeats of one
configuration do cannot be told apart.
"""

import sys
from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write FOLDER/results/repeats.json."""
    from mlpf_hpo.files import read_record, write_record
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.tuning.shared_session import shared_session
    from studies.live_search.params import read_study
    from studies.live_search.repeated_trainings import best_configurations, train_repeats

    folder = Path(sys.argv[1])
    study = read_study(folder)
    params = study.params()
    task = task_of(params, study.events)
    streams = read_record(folder / "results" / "searches.json", "search")["streams"]
    found = []
    with shared_session():
        for stream, search in enumerate(streams):
            best = best_configurations(search)
            for i, one in enumerate(best):
                title = f"repeats {stream + 1}/{len(streams)}, configuration {i + 1}/{len(best)}"
                with console.progress_bar(title, study.repeats) as progress:
                    seed = study.repeats_seed(stream, i)
                    one["best_losses"] = train_repeats(
                        task, one["configuration"], params, study.repeats, seed, progress
                    )
            found.append(best)
    write_record(folder / "results" / "repeats.json", {"streams": found})


if __name__ == "__main__":
    console.run(main)
