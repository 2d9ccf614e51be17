"""Stage `study`: the paper's protocol and a corrected one on the published curves; resumable."""

from pathlib import Path

from mlpf_hpo import console

HERE = Path("studies/published")


def main() -> None:
    """Write results/study.json."""
    from mlpf_hpo.files import write_record
    from mlpf_hpo.project import state_folder
    from mlpf_hpo.settings.parameter_file import read_parameters
    from studies.published.data import reference_folder
    from studies.published.params import PublishedParams
    from studies.published.steps import run_study

    folder = reference_folder()
    params = read_parameters(PublishedParams, HERE / "params.yaml", "the project folder")
    with console.progress_bar("published study") as progress:
        content = run_study(folder, params, state_folder(HERE), progress)
    write_record(HERE / "results" / "study.json", content)


if __name__ == "__main__":
    console.run(main)
