"""Stage `predictors`: every predictor on the design half, at several observed shares."""

from mlpf_hpo import console


def main() -> None:
    """Write results/predictors.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.seeds import derive_seed
    from studies.campaign.data import load_half
    from studies.campaign.params import HERE, read_study
    from studies.campaign.predictor_scores import design_scores

    params = read_study()
    design, seed = load_half(params.data, "design"), derive_seed(params.seed, "predictors")
    with console.progress_bar("predictors") as progress:
        found = design_scores(design, params.predictors, seed, usable_cpus(), progress)
    write_record(HERE / "results" / "predictors.json", found)


if __name__ == "__main__":
    console.run(main)
