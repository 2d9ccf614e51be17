"""Stage `physics`: reconstruction of the search's best trial, compared with the rule-based particle flow."""

from pathlib import Path

from mlpf_hpo import console

OUT = Path("results/physics")


def main() -> None:
    """Write results/physics; for a task other than MLPF, a note that nothing is reconstructed."""
    from mlpf_hpo.config import MLPF, load_params

    task = load_params().task
    if task != MLPF:
        from mlpf_hpo.reporting.physics import record_no_validation

        console.out.print(f"physics: {record_no_validation(OUT, task)}", markup=False)
        return

    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.networks.find_network import run_of
    from mlpf_hpo.networks.trained_network import load_network
    from mlpf_hpo.reporting.physics import record_validation, validate_network

    trained = load_network(Path("models/best_trial"))
    run = run_of(trained)
    validation_result = validate_network(trained, EventStore.open(Path("data/events/validation")), run)
    where = record_validation(validation_result, run, OUT)
    console.out.print(
        f"physics: trial {validation_result.about['trial']} after {trained.epoch} epochs\n{where}",
        markup=False,
    )


if __name__ == "__main__":
    console.run(main)
