"""Stage `register`: the chosen predictor becomes a version in the Model Registry."""

from mlpf_hpo import console


def main() -> None:
    """Write results/register.json."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.registration import register_winner, summary
    from studies.campaign.params import HERE

    params, results = load_params(HERE / "params.yaml"), HERE / "results"
    record = register_winner(
        params.predictors,
        params.seed,
        params.space.search_space(),
        params.search.champion,
        results / "selection.json",
        results / "models",
        results / "design.parquet",
    )
    write_record(results / "register.json", record)
    console.out.print(summary(record), markup=False)


if __name__ == "__main__":
    console.run(main)
