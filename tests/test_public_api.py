"""The public names: each is documented by an example that runs, and none costs anything before it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mlpf_hpo

ROOT = Path(mlpf_hpo.__file__).parents[1]


def imported_for_type_checkers() -> dict[str, str]:
    """Return name -> module of the imports that only type checkers execute."""
    tree = ast.parse(Path(mlpf_hpo.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname: node.module.removeprefix("mlpf_hpo.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_see_what_programs_get() -> None:
    assert imported_for_type_checkers() == mlpf_hpo._HOME_OF
    assert set(mlpf_hpo.__all__) == set(mlpf_hpo._HOME_OF)


@pytest.mark.parametrize("name", mlpf_hpo.__all__)
def test_each_name_is_documented_by_an_example(name) -> None:
    value = getattr(mlpf_hpo, name)
    # Doctests are collected from the module that a name is public in: it must be defined there.
    assert value.__module__ == f"mlpf_hpo.{mlpf_hpo._HOME_OF[name]}"
    documentation = inspect.getdoc(value)
    assert documentation is not None
    assert "\nExamples\n--------\n>>> " in documentation
    assert name in dir(mlpf_hpo)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = mlpf_hpo.simulat
    assert mlpf_hpo.__version__


def modules_after(statement: str) -> set[str]:
    """Return the modules that a fresh process has loaded after a statement."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_import_alone_loads_nothing_else() -> None:
    """Modules are counted, not seconds: a machine may be busy."""
    added = modules_after("import mlpf_hpo") - modules_after("import typing, importlib")
    assert {name for name in added if name.startswith("mlpf_hpo")} == {"mlpf_hpo"}
    assert len(added) < 10


def test_a_name_of_the_core_loads_the_core_alone() -> None:
    added = modules_after("from mlpf_hpo import simulate, StoppingASHA, LearningCurves")
    assert "mlpf_hpo.search.simulator" in added
    assert not added & {"ray", "mlflow", "torch", "pytorch_lightning", "torch_geometric"}
