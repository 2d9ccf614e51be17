"""Stage `events`: the training sample and both validation samples; resumes after an interruption."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write data/train, data/ttbar and data/qcd."""
    from mlpf_hpo.events.generation import generate_store
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.project import POOLS, state_folder
    from mlpf_hpo.settings.parameter_file import read_parameters
    from studies.reference_training.params import PROCESSES, ReferenceParams

    params = read_parameters(ReferenceParams, HERE / "params.yaml", "the project folder")
    for name, process in PROCESSES.items():
        n_events = getattr(params.events, name)
        with console.progress_bar(f"events: {name}", n_events) as progress:
            store = generate_store(
                HERE / "data" / name,
                process,
                n_events,
                params.pileup,
                params.sample_seed(name),
                params.minimum_bias_pool,
                usable_cpus(),
                progress,
                state_folder(HERE) / POOLS,
            )
        console.out.print(
            f"{name}: {len(store)} {process} events, {store.element_counts.mean():.0f} elements each"
        )


if __name__ == "__main__":
    console.run(main)
