"""Stage `report`: one self-contained page with the figures and tables of this run."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write report/index.html, its figures, metrics and series."""
    from mlpf_hpo.reporting.inputs import ReportInput
    from mlpf_hpo.reporting.site import build_report

    page = build_report(ReportInput.load(Path()), Path("report"))
    console.out.print(f"report: {page.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main)
