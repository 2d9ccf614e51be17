"""Stage `register`: the chosen predictor becomes a version in the Model Registry, with its alias."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/register.json."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import write_record
    from mlpf_hpo.predictors.registration import register_winner

    record = register_winner(
        load_params(), Path("results/predictors.json"), Path("models/predictors"), Path("data/curves.parquet")
    )
    write_record(Path("results/register.json"), record)
    console.out.print(
        f"register: {record['predictor']} is {record['model']} version {record['version']}, "
        f"@{record['alias']}\n  {record['link']}"
    )


if __name__ == "__main__":
    console.run(main)
