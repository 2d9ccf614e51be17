"""The code that Ray takes to the nodes of a cluster: this package, and the module of the task."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

from mlpf_hpo.own_package import NAME, package_root
from mlpf_hpo.tuning.ray_environment import ENVIRONMENT
from mlpf_hpo.tuning.task import Task

INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib"))
"""What lies here was installed, and is installed on a node as well."""


def code_environment(task: Task | None = None) -> dict[str, Any]:
    """Return Ray's runtime environment of workers on any node: they import what this process imports.

    Ray packs the folders, keeps them by their content, and unpacks them on every node that needs them, before
    whatever is on its PYTHONPATH.
    """
    folders = [package_root() / NAME]
    if task is not None and (own := task_code(task)) is not None:
        folders.append(own)
    return {"env_vars": dict(ENVIRONMENT), "py_modules": [str(folder) for folder in folders]}


def task_code(task: Task) -> Path | None:
    """Return the folder of the package, or the file of the module, that a task's class comes from.

    Returns
    -------
    Path or None
        None where it is of this package, installed, or in the program that was started, which travels with
        the task.

    Examples
    --------
    >>> from mlpf_hpo.tuning.task import TaskResources
    >>> task_code(TaskResources()) is None  # of this package
    True
    """
    name = type(task).__module__.partition(".")[0]
    module = sys.modules.get(name)
    if name in (NAME, "__main__") or module is None:
        return None
    places = [*getattr(module, "__path__", ())] or [getattr(module, "__file__", None)]
    if places[0] is None:
        return None
    place = Path(places[0]).resolve()
    return None if any(place.is_relative_to(folder) for folder in INSTALLED) else place


@cache
def package_digest() -> str:
    """Return a digest of the package's Python files as this process has them."""
    root, digest = package_root() / NAME, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
