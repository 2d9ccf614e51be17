"""Stage `search`: every scheduler on each stream of configurations.

``python -m studies.live_search.search FOLDER``. Runs are in MLflow, as those of the stage `search` are; what
is on record is not trained again.
"""

import sys
from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write FOLDER/results/searches.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.tuning.search import run_search
    from studies.live_search.params import read_study

    folder = Path(sys.argv[1])
    study = read_study(folder)
    params = study.params()
    task = task_of(params, study.events)
    found = []
    for stream in range(study.streams):
        title = f"stream {stream + 1}/{study.streams}"
        with console.progress_bar(title, params.search.configurations) as progress:
            record = run_search(
                task,
                params.space.search_space(),
                params.target.with_mode(),
                params.search,
                seed=study.stream_seed(stream),
                resources=params.resources,
                patience_seconds=params.tracking.patience_seconds,
                on_progress=progress,
            )
        console.out.print(record.summary())
        found.append(record.content)
    write_record(folder / "results" / "searches.json", {"streams": found})


if __name__ == "__main__":
    console.run(main)
