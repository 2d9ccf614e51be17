"""Stage `register`: the chosen predictor becomes a version in the Model Registry, champion or challenger."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/register.json."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.registration import register_winner, summary

    params = load_params()
    record = register_winner(
        params.predictors,
        params.seed,
        params.space.search_space(),
        params.search.champion,
        Path("results/predictors.json"),
        Path("models/predictors"),
        Path("data/curves.parquet"),
    )
    write_record(Path("results/register.json"), record)
    console.out.print(summary(record), markup=False)


if __name__ == "__main__":
    console.run(main)
