"""Find the right values of hepscore_cases.yaml by the real HEPscore, whose container engine is a stand-in.

    PYTHON tests/workload/real_hepscore.py SOURCE_1_5 SOURCE_2_0 > tests/workload/hepscore_values.json

The sources are folders with the package `hepscore` of 1.5 and of a 2.0, which is imported without what it
needs to read electricity meters; PYTHON has PyYAML. Neither is part of this project: both are GPL-3, and are
run, never copied.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import platform
import re
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from hepscore_containers import document, run

ENGINES = {"docker": b"Docker version 24.0.7\n", "singularity": b"singularity-ce version 3.11.0\n"}
NOT_NEEDED = ("pysnmp", "pysnmp.hlapi", "pysnmp.hlapi.v3arch", "pysnmp.hlapi.v3arch.asyncio")
METERS = ("2.0", [], [])
"""2.0 wants lists of electricity meters, and gives readings back."""


class Containers:
    """Stands for `subprocess.Popen`: answers like an engine, and leaves what the case says."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_: Any) -> Containers:
        """Run a command."""
        self.returncode, answer = 0, b""
        if command[1] == "--version":
            answer = ENGINES[command[0]]
        elif "--help" not in command:
            text = " ".join(command)
            folder = Path(re.search(r"(\S+):/results", text)[1])  # type: ignore[index]
            text = text.replace(str(folder), "RUN").replace(str(folder.parents[1] / "tmp"), "TMP")
            self.commands.append(text.replace(f"_{platform.machine()}", "_ARCH").split(" "))
            self.returncode = run(self.case, folder)
        self.stdout = BytesIO(answer)
        return self

    def wait(self) -> int:
        """Return the exit status."""
        return self.returncode


def program(source: str, version: str) -> Any:
    """Import a HEPscore from its source."""
    for name in [name for name in sys.modules if name.startswith("hepscore.")]:
        del sys.modules[name]
    for name in NOT_NEEDED:
        sys.modules[name] = ModuleType(name)
    package = ModuleType("hepscore")  # its own asks an installed package for the version
    package.__path__, package.__version__ = [f"{source}/hepscore"], version  # type: ignore[attr-defined]
    sys.modules["hepscore"] = package
    return importlib.import_module("hepscore.hepscore")


def values_of(case: dict[str, Any], common: dict[str, Any], real: Any, version: str) -> dict[str, Any]:
    """Return what the real program makes of a case."""
    containers = Containers(case)
    real.subprocess = ModuleType("subprocess")
    real.subprocess.__dict__.update(subprocess.__dict__, Popen=containers)
    os.sched_getaffinity = lambda _: set(range(case.get("cpus", 2)))  # type: ignore[assignment]
    real.HEPscore.results, real.HEPscore.weights = [], []
    config = yaml.safe_load(yaml.safe_dump(document(case, common), sort_keys=False))
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        Path("results").mkdir()
        score = real.HEPscore(config, f"{scratch}/results", *(METERS[1:] if version == METERS[0] else ()))
        ended = score.run(False)
        if (ended[0] if isinstance(ended, tuple) else ended) >= 0:
            score.gen_score()
        status = 0
        try:
            score.write_output("json", f"{scratch}/out.json")
        except SystemExit as end:
            status = int(end.code or 0)
        found = json.loads(Path("out.json").read_text())
        os.chdir("/")
    kept = {key: found[key] for key in ("score", "status", "error", "wl-scores") if key in found}
    digest = found["app_info"]["config_hash"]
    return {**kept, "exit_status": status, "config_hash": digest, "commands": containers.commands}


def main(source_1_5: str, source_2_0: str) -> None:
    """Print the values of all cases as JSON."""
    logging.disable()
    content = yaml.safe_load((Path(__file__).parent / "hepscore_cases.yaml").read_text())
    values = {}
    for version, source in (("1.5", source_1_5), ("2.0", source_2_0)):
        real = program(source, version)
        for name, case in content["cases"].items():
            if str(case.get("version", "1.5")) == version:
                values[name] = values_of(case, content["common"], real, version)
    sys.stdout.write(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
