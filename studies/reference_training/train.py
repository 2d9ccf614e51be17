"""Stage `train`: the reference configuration in full; goes on from its last epoch."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/reference_training")


def main() -> None:
    """Write network/ and results/training.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.project import state_folder
    from mlpf_hpo.settings.parameter_file import read_parameters
    from mlpf_hpo.tuning.trial_reports import EpochReport
    from studies.reference_training.params import ReferenceParams
    from studies.reference_training.training import train_reference

    params = read_parameters(ReferenceParams, HERE / "params.yaml", "the project folder")

    def show(report: EpochReport) -> None:
        console.out.print(
            f"epoch {report.epoch:3d}/{params.epochs}  train/loss {report.metrics['train/loss']:.4g}  "
            f"val/loss {report.metrics['val/loss']:.4g}  {report.metrics['time/epoch_seconds']:.0f} s"
        )

    record = train_reference(params, HERE / "data", state_folder(HERE), HERE / "network", show)
    write_record(HERE / "results" / "training.json", record)


if __name__ == "__main__":
    console.run(main)
