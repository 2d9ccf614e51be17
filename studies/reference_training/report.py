"""Stage `report`: one page with the physics, the curve, and where MLPF wins and loses."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write results/index.html, results/metrics.json and results/figures."""
    from mlpf_hpo.files import read_record
    from studies.reference_training.page import build_reference_report, read_validated

    results = HERE / "results"
    training = read_record(results / "training.json", "train")
    page = build_reference_report(training, read_validated(results / "physics"), results)
    console.out.print(f"reference training: {page.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main)
