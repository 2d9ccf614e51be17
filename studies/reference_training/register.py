"""Stage `register`: the network becomes a version of the registered model `mlpf`, champion or challenger."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write results/register.json; the physics goes to the training's run."""
    from mlpf_hpo.errors import MissingInputError
    from mlpf_hpo.evaluation.validation_result import ValidationResult
    from mlpf_hpo.files import write_record
    from mlpf_hpo.networks.find_network import run_of
    from mlpf_hpo.networks.registration import describe_registered, register_network_version
    from mlpf_hpo.networks.trained_network import load_network
    from mlpf_hpo.remedies import make_again
    from mlpf_hpo.reporting.physics import log_validation

    trained = load_network(HERE / "network")
    run = run_of(trained)
    if run is None:
        raise MissingInputError(
            f"trial {trained.trial_key}: MLflow has no run of its training; it is put on record again with: "
            f"{make_again('train', HERE / 'results')}"
        )
    held_back = HERE / "results" / "physics" / "ttbar" / "rules"
    log_validation(ValidationResult.read(held_back), run, held_back)
    record = describe_registered(register_network_version(trained, run))
    write_record(HERE / "results" / "register.json", record)
    console.out.print(
        f"register: {record['name']} version {record['version']}, {record['aliases']}\n"
        f"  {record['reason']}\n  {record['link']}",
        markup=False,
    )


if __name__ == "__main__":
    console.run(main)
