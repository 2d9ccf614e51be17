"""Everything that a checkout starts runs its own package, while another one is importable and installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlpf_hpo import __version__, own_package
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.own_package import import_path, package_root, refuse_another

ROOT = Path(__file__).parents[1]

PIPELINES = (
    "dvc.yaml",
    "studies/campaign/dvc.yaml",
    "studies/campaign/qcd/dvc.yaml",
    "studies/live_search/campaign_v1/dvc.yaml",
    "studies/live_search/laptop/dvc.yaml",
    "studies/live_search/prior/dvc.yaml",
    "studies/published/dvc.yaml",
    "studies/reference_training/dvc.yaml",
)

TELL = """
def run(main):
    import mlpf_hpo
    print(mlpf_hpo.__file__)
"""
"""Instead of what runs a stage: what it would run."""

WHERE = """
import mlpf_hpo


def where(*_):
    return mlpf_hpo.__file__
"""
"""A module of the copied package that children are asked through."""

CHILDREN = """
import json, os, sys
from pathlib import Path

import ray
from joblib import Parallel, delayed

from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.events.workers import Workers
from mlpf_hpo.tuning.ray_session import ray_session
from mlpf_hpo.where import where
from mlpf_hpo.workload.copies import run_copies

if __name__ == "__main__":
    Path("work").mkdir()
    os.chdir("work")  # where no package lies: nothing is found by the working folder alone
    places = {"driver": [where()]}
    with Workers(2) as workers:
        places["generation"] = list(workers.map(where, [(0,), (1,)]))
    places["joblib"] = Parallel(n_jobs=2)(delayed(where)(i) for i in range(2))
    folder = Path("copy")
    folder.mkdir()
    command = "import mlpf_hpo; print(mlpf_hpo.__file__)"
    run_copies([sys.executable, "-c", command], [folder], [{}], stall_seconds=60)
    places["benchmark"] = next(folder.glob("*.log")).read_text().splitlines()
    with ray_session(Path(".state"), ResourceParams()):
        places["Ray"] = ray.get([ray.remote(where).remote(i) for i in range(2)])
    Path("places.json").write_text(json.dumps(places))
"""


def commands() -> Iterator[tuple[str, str]]:
    """Yield folder and command of every stage of this project."""
    for name in PIPELINES:
        file = ROOT / name
        for entry in yaml.safe_load(file.read_text())["stages"].values():
            stage = entry.get("do", entry)
            folder = (file.parent / stage.get("wdir", ".")).resolve().relative_to(ROOT)
            yield str(folder), re.sub(r"\$\{.*?\}", "", stage["cmd"])  # what DVC fills in


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder with another package of that name, for a PYTHONPATH: found before any that is installed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "mlpf_hpo").mkdir()
    (folder / "mlpf_hpo/__init__.py").write_text("")
    return folder


BY_HAND = ((".", "python -m studies.campaign.docs_page"), (".", "python -m studies.live_search.page"))
"""What is run as stages are, and is none: each writes a page of the site."""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what a checkout runs."""
    folder = tmp_path / "a checkout"
    for name in ("mlpf_hpo", "pipelines", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".state"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    return folder


def environment(path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(path),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def test_every_stage_runs_the_package_of_its_checkout(checkout: Path, elsewhere: Path) -> None:
    own = checkout / "mlpf_hpo/__init__.py"
    (checkout / "mlpf_hpo/console.py").write_text(TELL)
    stages = [*commands(), *BY_HAND]
    files = [*(ROOT / "pipelines").glob("[!_]*.py"), *(ROOT / "studies").glob("*/[!_]*.py")]
    runnable = [file for file in files if '__name__ == "__main__"' in file.read_text()]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in runnable]
    started = {" ".join(command.split()[:3]) for _, command in stages}
    assert started == {f"python -m {module}" for module in [*modules, "mlpf_hpo.cli"]}
    for folder, command in stages:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=checkout / folder,
            env=environment(elsewhere),
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == str(own), (command, done.stderr)


@pytest.mark.ray
def test_every_process_that_is_started_runs_the_package_that_started_it(checkout, elsewhere) -> None:
    (checkout / "mlpf_hpo/where.py").write_text(WHERE)
    (checkout / "pipelines/children.py").write_text(CHILDREN)
    command = [sys.executable, "-m", "pipelines.children"]
    done = subprocess.run(command, cwd=checkout, env=environment(elsewhere), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    places = json.loads((checkout / "work/places.json").read_text())
    own = str(checkout / "mlpf_hpo/__init__.py")
    assert places == {
        "driver": [own],
        "generation": [own, own],
        "joblib": [own, own],
        "benchmark": [own],
        "Ray": [own, own],
    }


@pytest.mark.parametrize("within", ["", "studies/published"])
def test_the_command_is_that_of_the_checkout_it_is_called_in(checkout: Path, within: str) -> None:
    script = checkout.parent / "mlpf-hpo"
    script.write_text("from mlpf_hpo.cli import main\nmain()\n")
    (checkout / "mlpf_hpo/__init__.py").write_text('__version__ = "of the checkout"\n')
    outputs = []
    for folder in (checkout / within, checkout.parent):
        command = [sys.executable, str(script), "--version"]
        done = subprocess.run(command, cwd=folder, env=environment(ROOT), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs == ["mlpf-hpo of the checkout\n", f"mlpf-hpo {__version__}\n"]


def test_a_folder_whose_package_ray_would_take_is_refused(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        refuse_another(checkout)
    for path in (checkout / "mlpf_hpo", ROOT / "mlpf_hpo"):
        assert str(path) in str(refused.value)
    refuse_another(tmp_path)
    refuse_another(ROOT)


def test_the_path_for_others_begins_with_this_package(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", "/a:/b")
    assert import_path() == f"{ROOT}:/a:/b"
    assert import_path(tmp_path) == f"{tmp_path}:/a:/b"
    monkeypatch.delenv("PYTHONPATH")
    assert import_path() == str(ROOT)
    monkeypatch.setattr(own_package, "INSTALLED", package_root())
    assert import_path() == "", "where every Python looks anyway"
