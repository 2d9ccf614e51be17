"""What the scripts of the image do before there is an image: options, missing tools, what is copied."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"
REQUIREMENTS = CONTAINERS / "requirements.txt"

ONLY = """
import os
import sys
from importlib.machinery import PathFinder


class Only(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in os.environ["NOT_IN_THE_IMAGE"].split()
        return None if absent else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *context):
        in_image = os.environ["IN_THE_IMAGE"].split()
        return (found for found in super().find_distributions(*context) if found.name.lower() in in_image)


sys.meta_path[:] = [Only if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""A sitecustomize: every Python that finds it can import what is in the image, and nothing else."""


def without_tools(tmp_path: Path, *present: str) -> dict[str, str]:
    """Return an environment whose PATH has the shell's usual tools, and `present`, made up."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "sed", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in present:
        (folder / name).symlink_to(str(shutil.which("true")))
    return {**os.environ, "PATH": str(folder)}


def script(name: str, *options: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CONTAINERS / name, *options], env=env, capture_output=True, text=True, check=False)


def test_where_tools_are_missing_the_check_says_which(tmp_path: Path) -> None:
    env = without_tools(tmp_path, "buildah", "runc")
    skipped = script("check.sh", "--if-possible", "--local-base", env=env)
    assert skipped.returncode == 0
    assert skipped.stdout.startswith("container: skipped, not installed: podman mmdebstrap (")
    failed = script("check.sh", "--local-base", env=env)
    assert failed.returncode == 69
    assert failed.stdout == skipped.stdout


def test_without_a_local_base_no_tool_for_it_is_asked_for(tmp_path: Path) -> None:
    skipped = script("check.sh", "--if-possible", env=without_tools(tmp_path, "buildah", "runc"))
    assert skipped.stdout.startswith("container: skipped, not installed: podman (")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--local"], 64, "--local: unknown"),
        (["--variant", "tpu"], 64, "--variant is cpu or gpu, not tpu"),
        (["--local-base"], 69, "mmdebstrap is not installed"),
    ],
)
def test_what_cannot_be_built_is_refused(
    tmp_path: Path, options: list[str], status: int, message: str
) -> None:
    refused = script("build.sh", *options, env=without_tools(tmp_path, "buildah"))
    assert refused.returncode == status
    assert message in refused.stderr


def test_the_help_is_whole(tmp_path: Path) -> None:
    help_text = script("build.sh", "--help", env=without_tools(tmp_path)).stdout
    assert "--local-base" in help_text
    assert help_text.endswith("same layers.\n")


def collect(requirements: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, CONTAINERS / "collect.py", requirements, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_packages_are_copied_with_what_they_require_and_nothing_of_their_installation(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("# one\npython-dateutil\n")
    done = collect(tmp_path / "wanted.txt", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert [line.partition("==")[0] for line in done.stdout.splitlines()] == ["python-dateutil", "six"]
    files = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*")}
    assert {"six.py", "dateutil/parser/_parser.py"} <= files
    assert not [name for name in files if name.endswith(("__pycache__", "RECORD", "INSTALLER", "REQUESTED"))]
    found = "import dateutil.parser, sys; sys.exit(not dateutil.parser.__file__.startswith(sys.argv[1]))"
    alone = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {found}"]
    subprocess.run([*alone, tmp_path / "site"], check=True)


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("no-such-package-here\n")
    refused = collect(tmp_path / "wanted.txt", tmp_path / "site")
    assert refused.returncode == 1
    assert refused.stderr.startswith("no-such-package-here: not installed for ")


@pytest.mark.pipeline
def test_the_benchmark_runs_with_what_the_image_holds(tmp_path: Path) -> None:
    closure = runpy.run_path(str(CONTAINERS / "collect.py"))["closure"]
    in_image = {found.name.lower() for found in closure(REQUIREMENTS)} | {"mlpf_hpo", "mlpf-hpo"}
    modules = packages_distributions().items()
    absent = [module for module, names in modules if in_image.isdisjoint(map(str.lower, names))]
    assert {"ray", "mlflow", "dvc", "scipy", "sklearn"} <= set(absent)
    (tmp_path / "sitecustomize.py").write_text(ONLY)
    env = {**os.environ, "NOT_IN_THE_IMAGE": " ".join(absent), "IN_THE_IMAGE": " ".join(in_image)}
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    for workload in ("mlpf-train-cpu", "mlpf-infer-cpu"):
        options = [
            "--tier",
            "pu0",
            "-w",
            "results",
            "-e",
            "8",
            "--epochs",
            "2",
            "-c",
            "1",
            "--workload",
            workload,
        ]
        command = [sys.executable, "-m", "mlpf_hpo.cli", "benchmark", *options]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        log = tmp_path / "results" / "proc_0" / "out.log"
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("torch/test/test_ops.py", False),
        ("torch/testing/__init__.py", True),  # imported by torch itself
        ("torch/include/ATen/ATen.h", False),
        ("torch/bin/protoc", False),
        ("torch/bin/torch_shm_manager", True),  # looked for by torch when it is imported
        ("pandas/tests/test_algos.py", False),
        ("numpy/linalg/tests/test_linalg.py", False),
        ("numpy/testing/__init__.py", True),
        ("pandas/_testing/__init__.py", True),
        ("six-1.17.0.dist-info/METADATA", True),
        ("six-1.17.0.dist-info/RECORD", False),
    ],
)
def test_what_only_developers_need_is_left_out(path: str, kept: bool) -> None:
    left_out = runpy.run_path(str(CONTAINERS / "collect.py"))["LEFT_OUT"]
    assert (left_out.search(path) is None) == kept
