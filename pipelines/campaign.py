"""Stage `campaign`: train random configurations in full, under Ray Tune, every epoch into MLflow."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write data/campaign.json (what was trained) and data/campaign_runs.json (where it is in MLflow)."""
    from mlpf_hpo.config import load_params
    from mlpf_hpo.config.conflicts import conflicts
    from mlpf_hpo.tuning.campaign import run_campaign

    params = load_params()
    console.warn(conflicts(params))
    with console.progress_bar("campaign", params.campaign.trials) as progress:
        record = run_campaign(params, Path("data/events"), on_progress=progress)
    record.write(Path("data"))
    console.out.print(record.summary())


if __name__ == "__main__":
    console.run(main)
