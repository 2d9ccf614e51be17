"""Stage `campaign`: train random configurations in full, under Ray Tune, every epoch into MLflow.

``python -m pipelines.campaign [FOLDER]``. A folder of finished trials is looked for beside its params.yaml.
"""

from pathlib import Path

from mlpf_hpo import console
from pipelines import stage_folder


def main() -> None:
    """Write data/campaign.json (what was trained) and data/campaign_runs.json (where it is in MLflow)."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.config.conflicts import conflicts
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.tuning.campaign import run_campaign

    folder = stage_folder()
    params = load_params(folder / "params.yaml")
    settings = params.campaign
    if settings.archive:
        settings = settings.model_copy(update={"archive": str(folder / settings.archive)})
    if folder == Path():  # a study's folder has none of the later stages
        console.warn(conflicts(params))
    with console.progress_bar("campaign", settings.trials) as progress:
        record = run_campaign(
            task_of(params, folder / "data/events"),
            params.space.search_space(),
            params.target.with_mode(),
            settings,
            seed=params.seed,
            resources=params.resources,
            patience_seconds=params.tracking.patience_seconds,
            on_progress=progress,
        )
    record.write(folder / "data")
    console.out.print(record.summary())


if __name__ == "__main__":
    console.run(main)
