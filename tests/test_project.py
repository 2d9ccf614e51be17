"""Where the project and its state lie, and that nothing keeps state elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mlpf_hpo.project
from mlpf_hpo.project import project_folder, state_folder

ROOT = Path(__file__).parents[1]

PLACES = ("standalone/tmp1", "tmp1")  # of `dvc exp run --temp`, and of a queue


def test_state_lies_in_the_folder_that_one_works_in(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_folder() == tmp_path
    assert state_folder() == tmp_path / ".state"
    assert state_folder(Path("studies/a")) == tmp_path / "studies/a/.state"


@pytest.mark.parametrize("place", PLACES)
def test_state_of_a_temporary_experiment_is_the_projects(place: str, tmp_path: Path, monkeypatch) -> None:
    copy = tmp_path / ".dvc/tmp/exps" / place
    (copy / ".dvc").mkdir(parents=True)
    (copy / "studies/a").mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert project_folder() == tmp_path
    assert state_folder(Path("studies/a")) == tmp_path / "studies/a/.state"
    monkeypatch.chdir(copy / "studies/a")
    assert state_folder() == tmp_path / "studies/a/.state"


def test_a_project_within_a_temporary_experiment_of_another_is_its_own(tmp_path: Path, monkeypatch) -> None:
    outer = tmp_path / ".dvc/tmp/exps/abc"
    inner = outer / ".dvc/tmp/exps/def"
    (inner / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert project_folder() == outer


def test_nothing_else_names_the_folder_of_state() -> None:
    files = [
        file
        for top in ("mlpf_hpo", "pipelines", "studies", "benchmarks")
        for file in (ROOT / top).rglob("*.py")
    ]
    naming = [str(file) for file in files if any(".state" in text for text in _strings(file))]
    assert naming == [mlpf_hpo.project.__file__]


def _strings(file: Path) -> list[str]:
    """Return a file's strings; what stands there only to be read, as docstrings do, is none."""
    tree = ast.parse(file.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings
    )
    return [node.value for node in constants if isinstance(node.value, str)]
