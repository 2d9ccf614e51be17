"""Stage `repeats`: the best configuration of each stream, trained again with other seeds.

``python -m studies.live_search.repeats FOLDER``. Best losses that differ by less than these do cannot be told
apart.
"""

import sys
from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write FOLDER/results/repeats.json."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import read_record, write_record
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.settings.parameter_file import read_parameters
    from studies.live_search.params import LiveSearchParams
    from studies.live_search.repeated_trainings import best_configuration, train_repeats

    folder = Path(sys.argv[1])
    study = read_parameters(LiveSearchParams, folder / "params.yaml", "the project folder")
    params = load_params()
    task = task_of(params, Path("data/events"))
    streams = read_record(folder / "results" / "searches.json", "search")["streams"]
    found = []
    for stream, search in enumerate(streams):
        configuration = best_configuration(search)
        with console.progress_bar(f"repeats {stream + 1}/{len(streams)}", study.repeats) as progress:
            losses = train_repeats(
                task, configuration, params, study.repeats, study.repeats_seed(stream), progress
            )
        found.append({"configuration": configuration, "best_losses": losses})
    write_record(folder / "results" / "repeats.json", {"streams": found})


if __name__ == "__main__":
    console.run(main)
