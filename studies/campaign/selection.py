"""Stage `selection`: a predictor is chosen and fitted on the design half, as the pipeline chooses its own."""

from mlpf_hpo import console


def main() -> None:
    """Write results/design.parquet, results/selection.json and results/models."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.predictor_runs import compare_predictors, summary
    from studies.campaign.data import load_half
    from studies.campaign.params import HERE, read_study

    params, results = load_params(HERE / "params.yaml"), HERE / "results"
    curves = results / "design.parquet"
    write_curves(load_half(read_study().data, "design"), curves)
    with console.progress_bar("selection") as progress:
        content = compare_predictors(params.predictors, params.seed, curves, results / "models", progress)
    write_record(results / "selection.json", content)
    console.out.print(summary(content), markup=False)


if __name__ == "__main__":
    console.run(main)
