"""Stage `champion`: the version that the alias points at; runs every time, as DVC cannot track it."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/champion.json; as long as the champion is the same, so is the file."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.config.champion import search_scope
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.champion import champion_record, summary

    params = load_params()
    record = champion_record(search_scope(params), params.search.champion, params.campaign.epochs)
    write_record(Path("results/champion.json"), record)
    console.out.print(summary(record), markup=False)


if __name__ == "__main__":
    console.run(main)
