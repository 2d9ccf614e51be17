"""Configurations of HEPscore, those of 1.5 (key `hepscore_benchmark`) and of 2.0 (key `hepscore`)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.settings.types import Positive, PositiveFloat
from mlpf_hpo.settings.validation import Section, validated
from mlpf_hpo.settings.yaml_file import read_mapping

KEY_1_5, KEY_2_0 = "hepscore_benchmark", "hepscore"
SKIPPED = "."
"""A workload whose name begins with this is commented out."""

OF_SINGULARITY = ("oras", "docker", "shub", "dir", "https")
REGISTRIES: dict[str, tuple[str, ...]] = {
    "docker": ("docker",),
    "podman": ("docker",),
    "singularity": OF_SINGULARITY,
    "apptainer": OF_SINGULARITY,
}
"""Kinds of registry that an engine can take images from; of a list the first kind here that is there."""

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
Argument = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]*$")]
"""HEPscore hands nothing else to a container."""

Registry = Annotated[str, Field(pattern=rf"^({'|'.join(OF_SINGULARITY)})://[a-zA-Z0-9:/_.~-]+$")]
Registries = Annotated[
    tuple[Registry, ...], Field(min_length=1), BeforeValidator(lambda v: [v] if isinstance(v, str) else v)
]
Count = Annotated[int, Field(ge=0, le=10**6)]


class Workload(Section):
    """One container of the benchmark.

    Attributes
    ----------
    version : str
        Tag of its image.
    ref_scores : mapping
        Score name -> the reference machine's value.
    results_file : str or None
        Its report; by default the workload's name and ``_summary.json``.
    weight : float
        Exponent in the final mean.
    args : mapping
        Options of the container; a name without dashes gets two.
    gpu : bool
        Whether it is given the GPUs.
    registry : tuple of str or None
        Where its image is, instead of the settings' registry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    version: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]+$")]
    ref_scores: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    results_file: Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_.-]*$")] | None = None
    weight: Annotated[float, Field(ge=0.0)] = 1.0
    args: dict[Argument, Argument | bool | None] = Field(default_factory=dict)
    gpu: bool = False
    registry: Registries | None = None


class Settings(Section):
    """What holds for all workloads.

    Attributes
    ----------
    name, reference_machine : str
        Of the score, and of the machine that the references are of.
    registry : tuple of str
        Where images are, with the kind, like ``docker://``; the engine decides which of several.
    repetitions, retries : int
        Runs of each workload, and how many may fail in addition.
    continue_fail : bool
        Whether workloads are run after one that failed; there is no score in any case.
    scaling : float
        Factor of the score.
    addarch : bool
        Whether versions of Singularity images end with the architecture.
    ncores : int
        Cores to be loaded, 0 for all.
    """

    name: Annotated[str, Field(pattern=r"^[^/]+$")]
    reference_machine: str
    registry: Registries
    method: Literal["geometric_mean"]
    repetitions: Positive
    retries: Count = 0
    continue_fail: bool = False
    scaling: PositiveFloat = 1.0
    container_exec: Literal["singularity", "apptainer", "docker", "podman"] = "singularity"
    addarch: bool = False
    ncores: Count = 0


class _Content(Section):
    settings: Settings
    benchmarks: Annotated[dict[Name, Workload], Field(min_length=1)]


@dataclass(frozen=True)
class Hepscore:
    """A HEPscore configuration.

    Attributes
    ----------
    settings : Settings
        What holds for all workloads.
    benchmarks : mapping
        Workloads by name.
    config_hash : str
        The SHA-256 that HEPscore itself, of the version that the configuration is for, gives it.
    """

    settings: Settings
    benchmarks: Mapping[str, Workload]
    config_hash: str


def load_hepscore(path: Path, container_exec: str | None = None) -> Hepscore:
    """Read and check a HEPscore configuration; `container_exec` replaces what it says.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it is not YAML, or a key or value is not allowed; every problem with its key's path.
    """
    return parse_hepscore(read_mapping(path, "HEPscore configuration"), str(path), container_exec)


def parse_hepscore(document: Mapping[Any, Any], source: str, container_exec: str | None = None) -> Hepscore:
    """Check the content of a HEPscore configuration, see `load_hepscore`."""
    (key,) = document if len(document) == 1 else (None,)
    if key not in (KEY_1_5, KEY_2_0) or not isinstance(document[key], dict):
        raise ConfigurationError(f"{source}: everything must stand under the one key {KEY_1_5} or {KEY_2_0}")
    content = dict(document[key])
    if isinstance(content.get("benchmarks"), dict):
        named = content["benchmarks"].items()
        content["benchmarks"] = {name: value for name, value in named if str(name)[:1] != SKIPPED}
    if container_exec is not None and isinstance(content.get("settings"), dict):
        content["settings"] = {**content["settings"], "container_exec": container_exec}
    found = validated(_Content, content, source, under=str(key))
    if not any(workload.weight for workload in found.benchmarks.values()):
        raise ConfigurationError(f"{source}: {key}.benchmarks: all weights are 0; give one of them another")
    for workload in (None, *found.benchmarks.values()):
        registry_of(found.settings, workload)
    hashed = content if key == KEY_1_5 else _resolved(content, found)
    digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    return Hepscore(found.settings, found.benchmarks, digest)


def registry_of(settings: Settings, workload: Workload | None = None) -> str:
    """Return where a workload's image is.

    Raises
    ------
    ConfigurationError
        If the engine can take images from none of the registries.
    """
    registries = settings.registry if workload is None or workload.registry is None else workload.registry
    for kind in REGISTRIES[settings.container_exec]:
        for registry in registries:
            if registry.startswith(f"{kind}://"):
                return registry
    raise ConfigurationError(
        f"settings.registry: {settings.container_exec} takes images from "
        f"{', '.join(f'{kind}://' for kind in REGISTRIES[settings.container_exec])}, and not from "
        f"{', '.join(registries)}; choose another settings.container_exec"
    )


def forced_cores(settings: Settings) -> int:
    """Return the number of cores that workloads are limited to, 0 where they are to take all."""
    return 0 if settings.ncores == len(os.sched_getaffinity(0)) else settings.ncores


def _resolved(content: Mapping[str, Any], found: _Content) -> dict[str, Any]:
    """Return what 2.0 takes the hash of: the registries in use, and always a number of cores."""
    settings = found.settings
    in_use = {"registry": registry_of(settings), "ncores": forced_cores(settings)}
    benchmarks = {
        name: {**value, "registry": registry_of(settings, found.benchmarks[name])}
        if "registry" in value
        else value
        for name, value in content["benchmarks"].items()
    }
    return {**content, "settings": {**content["settings"], **in_use}, "benchmarks": benchmarks}
