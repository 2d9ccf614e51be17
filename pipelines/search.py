"""Stage `search`: every scheduler of params.yaml on one stream of configurations."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/search.json, and the network of the best trial to models/best_trial."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import write_text
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.tuning.search import run_search

    params, best = load_params(), Path("models/best_trial")
    task = task_of(params, Path("data/events"))
    with console.progress_bar("search", params.search.configurations) as progress:
        record = run_search(
            task,
            params.space.search_space(),
            params.target.with_mode(),
            params.search,
            seed=params.seed,
            resources=params.resources,
            patience_seconds=params.tracking.patience_seconds,
            on_progress=progress,
        )
    if task.keeps_checkpoints:
        from mlpf_hpo.networks.copied_network import copy_best_network  # PyTorch with it, for a second

        copy_best_network(record.content, best)
    else:
        write_text(best / "README", f"Task {task.name} leaves no checkpoints of its trials.\n")
    record.write(Path("results/search.json"))
    console.out.print(record.summary())


if __name__ == "__main__":
    console.run(main)
