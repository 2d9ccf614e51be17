"""Stage `champion`: what the search uses and DVC does not track; runs every time.

That is the version that the alias points at, and the content of files that schedulers have as their prior.
"""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/champion.json; as long as the champion and those files are the same, so is it."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.config.champion import search_scope
    from mlpf_hpo.files import write_record
    from mlpf_hpo.registry.champion import PRIORS, champion_record, summary

    params = load_params()
    record = champion_record(search_scope(params), params.search.champion, params.campaign.epochs)
    digests = params.search.prior_digests()
    write_record(Path("results/champion.json"), {**record, PRIORS: digests} if digests else record)
    console.out.print(summary(record), markup=False)


if __name__ == "__main__":
    console.run(main)
