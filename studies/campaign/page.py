"""Stage `page`: one self-contained page of what the curves say, and the numbers for `dvc metrics`."""

from typing import Any

from mlpf_hpo import console


def read_records() -> dict[str, Any]:
    """Return what the stages before found; of the final half, which is measured once, None before that.

    Raises
    ------
    MissingInputError, DataError
        If another record is not there, or damaged.
    """
    from mlpf_hpo.files import read_record
    from studies.campaign.params import HERE

    results = HERE / "results"
    names = ["analysis", "table_2", "predictors"]
    records: dict[str, Any] = {name: read_record(results / f"{name}.json", name) for name in names}
    final = results / "final_half.json"
    return {**records, "final_half": read_record(final, "final_half") if final.exists() else None}


def main() -> None:
    """Write results/index.html and results/metrics.json."""
    from studies.campaign.data import load_tables
    from studies.campaign.params import HERE, read_study
    from studies.campaign.report import build_campaign_report

    page = build_campaign_report(read_records(), load_tables(read_study().data), HERE / "results")
    console.out.print(f"campaign study: {page.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main)
