"""Stage `page`: one self-contained page of what the curves say, and the numbers for `dvc metrics`."""

from typing import Any

from mlpf_hpo import console


def main() -> None:
    """Write results/index.html and results/metrics.json."""
    from mlpf_hpo.files import read_record
    from studies.campaign.data import load_tables
    from studies.campaign.params import HERE, read_study
    from studies.campaign.report import build_campaign_report

    results = HERE / "results"
    names = ["analysis", "table_2", "predictors"]
    records: dict[str, Any] = {name: read_record(results / f"{name}.json", name) for name in names}
    final = results / "final_half.json"  # a frozen stage: measured once, at the end
    records["final_half"] = read_record(final, "final_half") if final.exists() else None
    page = build_campaign_report(records, load_tables(read_study().data), results)
    console.out.print(f"campaign study: {page.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main)
