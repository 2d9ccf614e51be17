"""PYTHONPATH of child processes: they import the copy of this package that started them."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from mlpf_hpo.errors import ConfigurationError

PATH_VARIABLE = "PYTHONPATH"

NAME = Path(__file__).parent.name

INSTALLED = Path(sysconfig.get_path("purelib")).resolve()
"""Searched by every Python anyway; on a PYTHONPATH it would come before the standard library."""


def package_root() -> Path:
    """Return the folder that this process imports the package from: its checkout, or site-packages."""
    return Path(__file__).resolve().parents[1]


def import_path(root: Path | None = None) -> str:
    """Return a PYTHONPATH with which a new Python finds this package before any other.

    By default, `root` is the folder of this process's package; this process's PYTHONPATH follows.
    """
    root = root or package_root()
    own = "" if root == INSTALLED else str(root)
    return os.pathsep.join(filter(None, (own, os.environ.get(PATH_VARIABLE, ""))))


def refuse_another(folder: Path) -> None:
    """Refuse a folder with another copy of the package, where new processes would find it first.

    Raises
    ------
    ConfigurationError
        If there is one; the message names both.
    """
    other, own = (folder / NAME).resolve(), package_root() / NAME
    if (other / "__init__.py").is_file() and other != own:
        raise ConfigurationError(
            f"{other}: Ray's workers would run this package, and the process that starts them runs {own}; "
            f"start it with `python -m`, which takes the one in {folder}, or in another folder"
        )
