"""Stage `search`: ASHA with and without the champion's prediction, on one stream of configurations."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/search.json, and the network of the best trial to models/best_trial."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.networks.trained_network import copy_best_network
    from mlpf_hpo.tuning.search import run_search

    params = load_params()
    with console.progress_bar("search", params.search.configurations) as progress:
        record = run_search(params, Path("data/events"), on_progress=progress)
    copy_best_network(record.content, Path("models/best_trial"))
    record.write(Path("results/search.json"))
    console.out.print(record.summary())


if __name__ == "__main__":
    console.run(main)
