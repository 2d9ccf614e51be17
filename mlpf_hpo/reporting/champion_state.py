"""State of the stage `champion`: whether its record is still valid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlpf_hpo.errors import MlpfHpoError
from mlpf_hpo.files import read_record, sha256
from mlpf_hpo.registry.champion import PRIORS, RECORD
from mlpf_hpo.reporting.stages import UP_TO_DATE
from mlpf_hpo.tracking.overview import Champion


def champion_state(root: Path, champions: Sequence[Champion]) -> str:
    """Return the state of the stage `champion`, which DVC cannot track: whether its record is still valid.

    It is if `champions`, what aliases point at now, has the version that the stage wrote to its record in the
    project's folder `root`, and files of prior campaigns have the digests that it wrote.
    """
    try:
        wrote = read_record(root / RECORD, "champion")
        changed = [file for file, digest in wrote.get(PRIORS, {}).items() if sha256(root / file) != digest]
    except MlpfHpoError as error:
        return f"stale: {error}"
    if changed:
        return f"stale: {', '.join(changed)}"
    name = f"{wrote['model']}@{wrote['alias']}"
    now = {f"{one.model}@{one.alias}": one.version for one in champions}.get(name)
    if now == wrote["version"]:
        return UP_TO_DATE
    return f"stale: {name} is version {now} now" if now else f"stale: {name} is gone"
