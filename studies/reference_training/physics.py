"""Stage `physics`: the network judged on both samples, beside the rules and beside the copied input."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write results/physics: a folder `rules` and a folder `copy` for each sample."""
    from mlpf_hpo.config.reference import QCD, TTBAR
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.files import written_whole
    from mlpf_hpo.networks.find_network import run_of
    from mlpf_hpo.networks.trained_network import load_network
    from mlpf_hpo.reporting.physics import judge_beside_copy

    trained = load_network(HERE / "network")
    run = run_of(trained)
    with written_whole(HERE / "results" / "physics") as folder:
        for name in (TTBAR, QCD):
            beside_rules, with_identity_baseline = judge_beside_copy(
                trained, EventStore.open(HERE / "data" / name), run
            )
            for other, result in (("rules", beside_rules), ("copy", with_identity_baseline)):
                (folder / name / other).mkdir(parents=True)
                result.write(folder / name / other)
            console.out.print(f"physics: {len(beside_rules.rows)} numbers on {name}")


if __name__ == "__main__":
    console.run(main)
