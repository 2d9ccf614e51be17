"""Stage `predictors`: fit and score every predictor by nested, grouped cross-validation."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/predictors.json and models/predictors."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.predictor_runs import compare_predictors, summary

    params = load_params()
    with console.progress_bar("predictors") as progress:
        content = compare_predictors(
            params.predictors, params.seed, Path("data/curves.parquet"), Path("models/predictors"), progress
        )
    write_record(Path("results/predictors.json"), content)
    console.out.print(summary(content), markup=False)


if __name__ == "__main__":
    console.run(main)
