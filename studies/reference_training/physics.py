"""Stage `physics`: physics validation on both samples, against the rules and the copied input."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write results/physics: a folder `rules` and a folder `copy` for each sample."""
    from mlpf_hpo.evaluation.collection import collect
    from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.files import written_whole
    from mlpf_hpo.networks.find_network import run_of
    from mlpf_hpo.networks.trained_network import load_network, reconstructed
    from mlpf_hpo.reporting.physics import validated_inputs
    from studies.reference_training.identity_baseline import with_identity_baseline
    from studies.reference_training.params import QCD, TTBAR

    trained = load_network(HERE / "network")
    run = run_of(trained)
    with written_whole(HERE / "results" / "physics") as folder:
        for name in (TTBAR, QCD):
            store = EventStore.open(HERE / "data" / name)
            sample = collect(store, reconstructed(trained, store))
            about = validated_inputs(trained, store, run)
            # In the second result the copied input stands where the rules did, as `ycand`.
            beside_copy = {**about, "beside": "copied input"}
            results = {
                "rules": validate_reconstruction(sample, about),
                "copy": validate_reconstruction(with_identity_baseline(sample, store), beside_copy),
            }
            for other, result in results.items():
                (folder / name / other).mkdir(parents=True)
                result.write(folder / name / other)
            console.out.print(f"physics: {len(results['rules'].rows)} numbers on {name}")


if __name__ == "__main__":
    console.run(main)
