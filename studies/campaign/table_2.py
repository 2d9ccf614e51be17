"""Stage `table_2`: the paper's table 2 on these curves, in its manner."""

from mlpf_hpo import console


def main() -> None:
    """Write results/table_2.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.seeds import derive_seed
    from studies.campaign.data import load_tables
    from studies.campaign.paper_table import paper_table
    from studies.campaign.params import HERE, read_study

    params = read_study()
    curves, share = load_tables(params.data).main, params.analysis.observed_share
    with console.progress_bar("table 2") as progress:
        found = paper_table(curves, share, params.table_2, derive_seed(params.seed, "table 2"), progress)
    write_record(HERE / "results" / "table_2.json", found)


if __name__ == "__main__":
    console.run(main)
