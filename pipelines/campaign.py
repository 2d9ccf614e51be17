"""Stage `campaign`: train random configurations in full, under Ray Tune, every epoch into MLflow."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write data/campaign.json (what was trained) and data/campaign_runs.json (where it is in MLflow)."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.config.conflicts import conflicts
    from mlpf_hpo.mlpf.task import task_of
    from mlpf_hpo.tuning.campaign import run_campaign

    params = load_params()
    console.warn(conflicts(params))
    with console.progress_bar("campaign", params.campaign.trials) as progress:
        record = run_campaign(
            task_of(params, Path("data/events")),
            params.space.search_space(),
            params.target.with_mode(),
            params.campaign,
            seed=params.seed,
            resources=params.resources,
            patience_seconds=params.tracking.patience_seconds,
            on_progress=progress,
        )
    record.write(Path("data"))
    console.out.print(record.summary())


if __name__ == "__main__":
    console.run(main)
