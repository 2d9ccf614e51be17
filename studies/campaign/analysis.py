"""Stage `analysis`: ranks, crossings, importance, noise and transfer, of all tables."""

from mlpf_hpo import console


def main() -> None:
    """Write results/analysis.json."""
    from mlpf_hpo.files import write_record
    from studies.campaign.data import load_tables
    from studies.campaign.findings import find_all
    from studies.campaign.params import HERE, planned_counts, read_study

    params = read_study()
    found = find_all(load_tables(params.data), params, planned_counts())
    write_record(HERE / "results" / "analysis.json", found)


if __name__ == "__main__":
    console.run(main)
