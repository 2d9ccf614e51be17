"""A wheel of the package, installed where no checkout is: it is whole, and its commands run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo import load_curves
from mlpf_hpo.curves.shipped_files import shipped_names
from mlpf_hpo.mlpf.native.build import instruction_sets, possible

ROOT = Path(__file__).parents[1]
BUILT_FROM = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def run(*command, cwd: Path) -> str:
    """Run a command as a user without a checkout does; return what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Return a wheel that was built from an unpacked source archive: without git, without a build folder."""
    folder = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, folder)
    shutil.copytree(
        ROOT / "mlpf_hpo", folder / "mlpf_hpo", ignore=shutil.ignore_patterns("__pycache__", "built")
    )
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", folder / "dist", folder, cwd=folder)
    (built,) = (folder / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel) -> Path:
    """Return the scripts' folder of a new environment with the wheel, and what it needs from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    offline = ("--no-deps", "--no-index", "--quiet")
    run(
        sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", *offline, wheel, cwd=folder
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def test_the_wheel_holds_every_file_of_the_package(wheel) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mlpf_hpo").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("mlpf_hpo/")} == expected
    assert {"mlpf_hpo/py.typed", "mlpf_hpo/workload/report.schema.json"} <= expected
    others = {name.partition("/")[0] for name in names} - {"mlpf_hpo"}
    assert [name.endswith(".dist-info") for name in others] == [True]


def test_without_git_the_version_is_the_fallback(wheel) -> None:
    assert wheel.name.startswith("mlpf_hpo-0.1.0.dev0-py3-none-")


def test_with_a_compiler_it_has_the_kernels_of_its_platform(wheel, installed, tmp_path) -> None:
    assert (
        possible()
        == wheel.name.endswith(f"-linux_{platform.machine()}.whl")
        != wheel.name.endswith("-any.whl")
    )
    here = "from mlpf_hpo.mlpf.native.kernels import kernels_in_use; print(kernels_in_use())"
    found = run(installed / "python", "-c", here, cwd=tmp_path).strip()
    assert found in instruction_sets() if possible() else found == "none: not built"


def test_its_commands_run_in_an_empty_folder(installed, tmp_path) -> None:
    where = run(installed / "python", "-c", "import mlpf_hpo; print(mlpf_hpo.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert run(installed / "mlpf-hpo", "--version", cwd=tmp_path) == "mlpf-hpo 0.1.0.dev0\n"
    assert "predictors" in run(installed / "mlpf-hpo", "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


LOADED = """
import mlpf_hpo.curves
from mlpf_hpo.curves.shipped_files import shipped_names

print(*(f"{name}: {len(mlpf_hpo.curves.load(name))}" for name in shipped_names()), sep=", ")
"""


def test_data_sets_of_curves_are_loaded_without_a_checkout(installed, tmp_path) -> None:
    printed = run(installed / "python", "-c", LOADED, cwd=tmp_path).strip()
    assert printed == ", ".join(f"{name}: {len(load_curves(name))}" for name in shipped_names())


def test_predictors_are_evaluated_on_a_table_of_somebody(installed, tmp_path) -> None:
    generator = np.random.default_rng(0)
    lr = 10 ** generator.uniform(-4, -1, 40)
    curves = lr[:, None] + 0.5 ** np.arange(1, 9)
    table = pd.DataFrame({"lr": lr, **{f"loss_{i}": column for i, column in enumerate(curves.T)}})
    table.to_csv(tmp_path / "mine.csv", index=False)
    printed = run(
        *(installed / "mlpf-hpo", "predictors", "evaluate", "--curves", "mine.csv", "--splits", "3"),
        *("--predictors", "persistence,ridge", "--json", "scores.json"),
        cwd=tmp_path,
    )
    assert "persistence" in printed
    assert "ridge" in printed
    assert (tmp_path / "scores.json").is_file()


TOY = """
from mlpf_hpo import EpochReport, TaskResources, TrialEnd


class Toy:
    name, keeps_checkpoints, dataset_path, data_digest = "toy", False, None, "none"
    constants, resources = {"task": "toy"}, TaskResources()

    def direction(self, metric):
        return {"accuracy": "max"}.get(metric)

    def check(self, space): ...

    def train(self, trial, max_epochs, checkpoint_dir, report):
        for epoch in range(1, max_epochs + 1):
            accuracy = 1 - trial.configuration["lr"] / epoch
            report(EpochReport(epoch, {"accuracy": accuracy, "train/accuracy": accuracy}, 1000 * epoch))
        return TrialEnd("finished", max_epochs)
"""

SEARCH = """
from pathlib import Path

from mlpf_hpo import LogUniform, ResourceParams, SearchParams, SearchSpace, TargetMetric, run_search
from toy import Toy

params = SearchParams(configurations=4, max_epochs=3, schedulers=[{"name": "full"}, {"name": "asha"}])
found = run_search(
    Toy(), SearchSpace({"lr": LogUniform(0.001, 0.1)}), TargetMetric("accuracy", "max"), params,
    seed=0, resources=ResourceParams(concurrency=2, gpus_per_trial=0), state=Path("state"),
)
print(found.summary())
"""


@pytest.mark.pipeline
def test_a_task_of_somebody_is_searched_in_an_empty_folder(installed, tmp_path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "search.py").write_text(SEARCH)
    printed = run(installed / "python", "search.py", cwd=tmp_path)
    assert "search: full training: 12 epochs, best accuracy 0.9" in printed
    assert "search: ASHA: " in printed
    assert (tmp_path / "mlflow.db").is_file()
