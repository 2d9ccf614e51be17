"""Stage `curves`: read the campaign's runs back out of MLflow into the learning-curve data set."""

from pathlib import Path

from mlpf_hpo import console


def main() -> None:
    """Write data/curves.parquet and its card."""
    from mlpf_hpo.curves.dataset import write_curves
    from mlpf_hpo.tuning.campaign import campaign_links, collect_curves

    curves = collect_curves(Path("data"))
    write_curves(curves, Path("data/curves.parquet"))
    console.out.print(
        f"curves: {len(curves)} curves of {curves.n_epochs} epochs, {int(curves.complete.sum())} complete; "
        f"data/curves.card.md says what they are\n{campaign_links(Path('data'))}"
    )


if __name__ == "__main__":
    console.run(main)
