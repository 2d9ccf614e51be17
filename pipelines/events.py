"""Stage `events`: generate the training and validation samples. ``python -m pipelines.events [FOLDER]``."""

from mlpf_hpo import console
from pipelines import stage_folder


def main() -> None:
    """Write data/events/train, data/events/validation, and what they are: data/events.json."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.events.generation import generate_store
    from mlpf_hpo.files import write_json
    from mlpf_hpo.hardware.host import usable_cpus
    from mlpf_hpo.project import POOLS, state_folder
    from mlpf_hpo.seeds import derive_seed

    folder = stage_folder()
    params = load_params(folder / "params.yaml")
    events = params.events
    manifests = {}
    workers = usable_cpus() if events.workers == "auto" else events.workers
    for name, sample in (("train", events.train), ("validation", events.validation)):
        with console.progress_bar(f"events: {name}", sample.events) as progress:
            store = generate_store(
                folder / "data/events" / name,
                process=sample.process,
                n_events=sample.events,
                pileup=events.pileup,
                seed=derive_seed(params.seed, "events", name),
                pool_size=events.minimum_bias_pool,
                workers=workers,
                progress=progress,
                pools=state_folder() / POOLS,
            )
        manifests[name] = store.manifest
        counts = store.element_counts
        console.out.print(
            f"events: {name}: {len(store)} {sample.process} events at PU {events.pileup:g}, "
            f"{counts.mean():.0f} elements each on average ({counts.min()}-{counts.max()})"
        )
    write_json(folder / "data/events.json", manifests)


if __name__ == "__main__":
    console.run(main)
