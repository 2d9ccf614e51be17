"""Stage `report`: one page with the paper's table and figures, beside numbers of a corrected protocol."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/published")


def main() -> None:
    """Write results/index.html and results/metrics.json."""
    from mlpf_hpo.files import read_record
    from studies.published.data import PublishedCurves, reference_folder
    from studies.published.page import build_published_report

    curves = PublishedCurves.load(reference_folder())
    page = build_published_report(
        read_record(HERE / "results" / "study.json", "study"), curves, HERE / "results"
    )
    console.out.print(f"published study: {page.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main)
