"""Environments of other projects, pinned, made where they are asked for, and used from then on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlpf_hpo.errors import ConfigurationError

HERE = Path(__file__).parent


def peer_python(name: str, folder: Path) -> Path:
    """Return the Python of a project's environment in a folder; make it there if there is none.

    Parameters
    ----------
    name : str
        Of the file beside this one that pins what is installed: `syne_tune` for `syne_tune.txt`.
    folder : path
        The environment, or where it will be. One that holds other versions is refused.

    Raises
    ------
    ConfigurationError
        If it cannot be made, or holds something else.
    """
    pins, python = HERE / f"{name}.txt", folder / "bin" / "python"
    wanted = {line.lower() for line in pins.read_text().splitlines() if not line.startswith("#")}
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder)], f"{folder}: no environment can be made")
        _run([str(python), "-m", "pip", "install", "-q", "-r", str(pins)], f"{pins.name} cannot be installed")
    installed = _run([str(python), "-m", "pip", "freeze"], f"{folder}: is no environment").splitlines()
    missing = sorted(wanted - {line.lower().replace("syne_tune", "syne-tune") for line in installed})
    if missing:
        raise ConfigurationError(
            f"{folder}: lacks {', '.join(missing)}; name a folder where there is nothing yet"
        )
    return python


def run_peer(python: Path, script: str, *arguments: object) -> str:
    """Return what a script beside this file prints, run by another environment's Python on one thread.

    Raises
    ------
    ConfigurationError
        If it fails; the message is its last line.
    """
    return _run([str(python), str(HERE / script), *map(str, arguments)], f"{script} failed")


def _run(command: list[str], failed: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ConfigurationError(f"{failed}: {' '.join(last)}")
    return done.stdout
