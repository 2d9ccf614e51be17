"""The shipped data sets are what their stages make of committed files, and others can take them by DVC."""

from __future__ import annotations

import subprocess

import pytest

from mlpf_hpo.curves.shipped_files import SHIPPED, shipped_names
from mlpf_hpo.tracking.trial_archive import TrialArchive
from tests.clones import ROOT, Clone, make_clone

__all__ = ["make_clone"]

STUDY = "studies/campaign"
NAMES = shipped_names()
DVC = ("python", "-m", "dvc")


@pytest.fixture(scope="module")
def fresh(make_clone) -> Clone:
    return make_clone()


@pytest.mark.pipeline
@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_clone_has_each_data_set_as_its_stage_left_it(fresh, name) -> None:
    assert "up to date" in fresh.run(*DVC, "status", f"{STUDY}/dvc.yaml:data_set@{name}")


@pytest.mark.pipeline
def test_a_stage_makes_the_same_files_again(fresh) -> None:
    files = sorted((fresh.folder / SHIPPED.relative_to(ROOT)).glob(f"{NAMES[0]}.*"))
    before = [file.read_bytes() for file in files]
    fresh.run(*DVC, "repro", "--force", f"{STUDY}/dvc.yaml:data_set@{NAMES[0]}")
    assert [file.read_bytes() for file in files] == before


@pytest.mark.pipeline
def test_the_pipeline_depends_on_no_study(fresh) -> None:
    assert "studies" not in fresh.run(*DVC, "dag", "register")


@pytest.mark.pipeline
def test_another_project_gets_and_imports_a_data_set(fresh, tmp_path) -> None:
    file = f"{SHIPPED.relative_to(ROOT)}/{NAMES[0]}.parquet"
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    project = Clone(tmp_path)
    project.run(*DVC, "init", "--quiet")
    project.run(*DVC, "get", str(fresh.folder), file, "--out", "got.parquet")
    project.run(*DVC, "import", str(fresh.folder), file, "--out", "imported.parquet")
    for name in ("got.parquet", "imported.parquet"):
        assert (tmp_path / name).read_bytes() == (ROOT / file).read_bytes()


def test_files_of_trials_are_small_and_whole() -> None:
    folder = ROOT / STUDY
    files = list(folder.rglob("*.json.xz"))
    assert sum(file.stat().st_size for file in files) < 10 * 2**20
    for trials in {file.parent for file in files}:
        for trial in TrialArchive(trials).trials():
            assert trial.end.status == "diverged" or len(trial.epochs) in (50, 150)
