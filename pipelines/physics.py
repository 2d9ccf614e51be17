"""Stage `physics`: the search's best trial judged on the validation events, beside the rule-based flow."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write results/physics."""
    from mlpf_hpo.events.store import EventStore
    from mlpf_hpo.reporting.physics import judge_trained, record_judgement
    from mlpf_hpo.tuning.lookup import run_of
    from mlpf_hpo.tuning.trained import load_trained

    trained = load_trained(Path("models/best_trial"))
    run = run_of(trained)
    judgement = judge_trained(trained, EventStore.open(Path("data/events/validation")), run)
    where = record_judgement(judgement, run, Path("results/physics"))
    console.out.print(
        f"physics: trial {judgement.about['trial']} after {trained.epoch} epochs\n{where}", markup=False
    )


if __name__ == "__main__":
    console.run(main)
