"""Stage `final_half`: what is selected on the design half, once on the final half. Frozen until the end."""

from mlpf_hpo import console


def main() -> None:
    """Write results/final_half.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.seeds import derive_seed
    from studies.campaign.data import load_half
    from studies.campaign.params import HERE, read_study
    from studies.campaign.predictor_scores import final_scores

    params = read_study()
    design, final = (load_half(params.data, part) for part in ("design", "final"))
    seed = derive_seed(params.seed, "final half")
    found = final_scores(design, final, params.predictors, params.analysis.draws, seed)
    write_record(HERE / "results" / "final_half.json", found)


if __name__ == "__main__":
    console.run(main)
