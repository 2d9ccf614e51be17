"""Run a checkout's own code when `mlpf-hpo` is called in it, wherever the script on the PATH is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlpf_hpo.own_package import PATH_VARIABLE, import_path, package_root

PIPELINE, COMMAND = "dvc.yaml", "mlpf_hpo/cli/__main__.py"
"""Files by which a checkout is recognised."""


def enclosing_checkout(folder: Path) -> Path | None:
    """Return the innermost checkout that a folder lies in; None if it lies in none."""
    for parent in (folder, *folder.parents):
        if (parent / PIPELINE).is_file() and (parent / COMMAND).is_file():
            return parent
    return None


def run_own_command() -> None:
    """Replace this process by the command of the checkout that it was called in, unless it is that already.

    A virtual environment has one installed package, and serves several checkouts: copies, worktrees, the
    folders in which DVC runs experiments.
    """
    checkout = enclosing_checkout(Path.cwd().resolve())
    if checkout is None or checkout == package_root():
        return
    environment = {**os.environ, PATH_VARIABLE: import_path(checkout)}
    command = [sys.executable, "-m", "mlpf_hpo.cli", *sys.argv[1:]]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is wanted
