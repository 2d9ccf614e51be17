"""Commands that run the containers of a HEPscore, and what becomes of them."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.workload.hepscore_config import Hepscore, Workload, forced_cores, registry_of

Execute = Callable[[Sequence[str], Path], int]
"""Runs a command, its output going to a file, and returns the exit status."""

IGNORED = ("W", "w", "resultsdir", "m", "mop")
"""Options in `args` that HEPscore keeps for itself."""

DROPPED = {"docker": "docker://", "podman": "docker://", "singularity": "dir://", "apptainer": "dir://"}


def container_command(config: Hepscore, name: str, run_folder: Path) -> list[str]:
    """Return the command of one repetition, whose report will be in `run_folder`."""
    workload, settings = config.benchmarks[name], config.settings
    engine, registry = settings.container_exec, registry_of(settings, workload)
    version, mount = workload.version, f"{run_folder.resolve()}:/results"
    in_docker = engine in ("docker", "podman")
    if settings.addarch and not in_docker and not registry.startswith("docker://"):
        version += f"_{platform.machine()}"
    image = f"{registry.removeprefix(DROPPED[engine])}/{name}:{version}"
    if in_docker:
        gpus = ["--gpus", "all"] if workload.gpu else []
        start = [engine, "run", "--rm", "--network=host", "-v", mount, *gpus, image]
    else:
        gpus = ["--nv"] if workload.gpu else []
        start = [engine, "run", "-i", "-c", "-e", "-B", mount, "-B", "/tmp", *gpus, image]  # noqa: S108
    cores = forced_cores(settings)
    limit = ["--ncores", str(cores)] if cores else []
    return [*start, "-W", *limit, *_options(workload, ignored=("n", "ncores") if cores else ())]


def check_engine(name: str) -> None:
    """Refuse a container engine that is not there.

    Raises
    ------
    ConfigurationError
        If it is not.
    """
    if shutil.which(name) is None:
        raise ConfigurationError(f"{name}: not installed; choose another settings.container_exec")


def run_command(command: Sequence[str], log: Path) -> int:
    """Run a command as a subprocess, see `Execute`."""
    with log.open("wb") as output:
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode


def _options(workload: Workload, ignored: Sequence[str]) -> list[str]:
    """Return command-line options; False and nothing leave one out, True needs no value."""
    options: list[str] = []
    for name, value in workload.args.items():
        if name.lstrip("-") in (*IGNORED, *ignored) or str(value) in ("None", "False"):
            continue
        options.append(name if name.startswith("-") else f"--{name}")
        if str(value) != "True":
            options.append(str(value))
    return options
