"""A HEPscore from the reports of workloads: configuration, container commands, arithmetic.

The configuration is that of HEPscore 1.5, and so is the arithmetic: every score over its reference, rounded
to four digits; geometric mean over a workload's scores; median over repetitions; weighted geometric mean over
workloads, times the scaling, rounded to four digits. One repetition that is not valid leaves no score.
"""

from __future__ import annotations

import json
import math
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from scipy.stats import gmean

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.files import write_json
from mlpf_hpo.settings.types import Positive, PositiveFloat
from mlpf_hpo.settings.validation import Section, validated
from mlpf_hpo.settings.yaml_file import read_mapping
from mlpf_hpo.space import stable_hash

TOP_KEY = "hepscore_benchmark"
DIGITS = 4

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-zA-Z0-9_.-]*$")]
Argument = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]*$")]
"""HEPscore hands nothing else to a container."""

Execute = Callable[[Sequence[str], Path], int]
"""Runs a command, its output going to a file, and returns the exit status."""


class Workload(Section):
    """One container of the benchmark.

    Attributes
    ----------
    version : str
        Tag of its image.
    ref_scores : mapping
        Score name -> the reference machine's value.
    results_file : str or None
        Its report; by default the workload's name without ``-bmk``, and ``_summary.json``.
    weight : float
        Exponent in the final mean.
    args : mapping
        Options of the container; a name without dashes gets them.
    gpu : bool
        Whether it is given the GPUs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    version: Name
    ref_scores: Annotated[dict[str, PositiveFloat], Field(min_length=1)]
    results_file: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]+$")] | None = None
    weight: PositiveFloat = 1.0
    args: dict[Argument, Argument | bool] = Field(default_factory=dict)
    gpu: bool = False


class Settings(Section):
    """What holds for all workloads."""

    name: str
    reference_machine: str
    registry: Annotated[str, Field(min_length=1)]
    method: Literal["geometric_mean"]
    repetitions: Positive
    scaling: PositiveFloat = 1.0
    container_exec: Literal["docker", "podman", "singularity", "apptainer"] = "docker"


class Hepscore(Section):
    """A HEPscore configuration."""

    settings: Settings
    benchmarks: Annotated[dict[Name, Workload], Field(min_length=1)]

    @property
    def config_hash(self) -> str:
        """SHA-256 of the configuration in canonical form."""
        return stable_hash(self.model_dump(mode="json"), length=64)


def load_hepscore(path: Path) -> Hepscore:
    """Read and check a HEPscore configuration.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigurationError
        If it is not YAML, or a key or value is not allowed; every problem with its key's path.
    """
    content = read_mapping(path, "HEPscore configuration")
    if set(content) != {TOP_KEY} or not isinstance(content[TOP_KEY], dict):
        raise ConfigurationError(f"{path}: everything must stand under the one key {TOP_KEY}")
    return validated(Hepscore, content[TOP_KEY], str(path), under=TOP_KEY)


def results_file(name: str, workload: Workload) -> str:
    """Return the name of a workload's report."""
    return workload.results_file or f"{name.removesuffix('-bmk')}_summary.json"


def container_command(config: Hepscore, name: str, run_folder: Path) -> list[str]:
    """Return the command of one repetition, whose report will be in `run_folder`."""
    workload, settings = config.benchmarks[name], config.settings
    image = f"{settings.registry.rstrip('/')}/{name}:{workload.version}"
    mount = f"{run_folder.resolve()}:/results"
    if settings.container_exec in ("docker", "podman"):
        gpus = ["--gpus", "all"] if workload.gpu else []
        image = image.removeprefix("docker://")
        start = [settings.container_exec, "run", "--rm", "--network=host", "-v", mount, *gpus, image]
    else:
        source = image.removeprefix("dir://") if "://" in image else f"docker://{image}"
        gpus = ["--nv"] if workload.gpu else []
        start = [settings.container_exec, "run", "-B", mount, *gpus, source]
    return [*start, "-W", *_options(workload.args)]


def workload_score(ref_scores: Mapping[str, float], scores: Mapping[str, float]) -> float:
    """Return the geometric mean of a repetition's scores over their references.

    Examples
    --------
    >>> workload_score({"train": 50.0, "infer": 100.0}, {"train": 100.0, "infer": 800.0})
    4.0
    """
    relative = [round(scores[key] / reference, DIGITS) for key, reference in ref_scores.items()]
    return geometric_mean(relative)


def geometric_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the weighted geometric mean; 0 if any value is.

    Examples
    --------
    >>> geometric_mean([2.0, 16.0], weights=[2.0, 1.0])
    4.0
    """
    return round(float(gmean(values, weights=weights)), 12)


def compute_hepscore(config: Hepscore, reports: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the summary of a run: score, status, and what they are made of.

    `reports` has the content of the report of each repetition by workload, None for one that could not be
    read. `score` is None and `status` "failed", with the reasons in `error`, unless every repetition of every
    workload is valid.
    """
    problems, details, per_workload = [], {}, {}
    for name, workload in config.benchmarks.items():
        repetitions = list(reports.get(name, []))
        invalid = [f"{name}, {reason}" for reason in _invalid(workload, repetitions, config.settings)]
        problems += invalid
        details[name] = {**workload.model_dump(mode="json"), "runs": repetitions}
        if invalid:
            continue
        scores = [report["report"]["wl-scores"] for report in repetitions]
        runs = [workload_score(workload.ref_scores, each) for each in scores]
        per_workload[name] = statistics.median(runs)
        details[name] |= {"run_scores": runs, "score": round(per_workload[name], DIGITS)}
    summary: dict[str, Any] = {"score": None, "status": "failed"}
    if problems:
        summary["error"] = "; ".join(problems)
    else:
        weights = [workload.weight for workload in config.benchmarks.values()]
        mean = geometric_mean(list(per_workload.values()), weights)
        summary = {"score": round(mean * config.settings.scaling, DIGITS), "status": "success"}
    return {
        **summary,
        "wl-scores": {
            name: _with_references(config.benchmarks[name], reports[name]) for name in per_workload
        },
        "app_info": {"config_hash": config.config_hash},
        "settings": config.settings.model_dump(mode="json"),
        "environment": {"system": platform.platform(), "hostname": platform.node()},
        "benchmarks": details,
    }


def run_hepscore(config: Hepscore, folder: Path, execute: Execute | None = None) -> dict[str, Any]:
    """Run every workload as often as asked for, and write and return ``<name>.json``.

    Every repetition has its own folder ``<workload>/run<i>``, which must not be there yet. A workload whose
    command fails, run by `execute` or else as a subprocess, is not valid.

    Raises
    ------
    DataError
        If the folder holds an earlier run.
    """
    start = execute or _execute
    reports: dict[str, list[Any]] = {}
    for name, workload in config.benchmarks.items():
        reports[name] = []
        for i in range(config.settings.repetitions):
            run_folder = folder / name / f"run{i}"
            try:
                run_folder.mkdir(parents=True)
            except FileExistsError:
                raise DataError(f"{run_folder}: there from an earlier run; choose another folder") from None
            command = container_command(config, name, run_folder)
            status = start(command, run_folder / "container.log")
            found = _read(run_folder / results_file(name, workload)) if status == 0 else None
            reports[name].append(found)
    summary = compute_hepscore(config, reports)
    write_json(folder / f"{config.settings.name}.json", summary)
    return summary


def _execute(command: Sequence[str], log: Path) -> int:
    with log.open("wb") as output:
        try:
            return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        except FileNotFoundError:
            raise ConfigurationError(
                f"{command[0]}: not installed; choose another settings.container_exec"
            ) from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _options(args: Mapping[str, str | bool]) -> list[str]:
    """Return command-line options; False leaves one out, True needs no value."""
    options: list[str] = []
    for name, value in args.items():
        flag = name if name.startswith("-") else f"--{name}" if len(name) > 1 else f"-{name}"
        if value is not False:
            options += [flag] if value is True else [flag, value]
    return options


def _invalid(workload: Workload, repetitions: Sequence[Any], settings: Settings) -> Iterable[str]:
    """Yield why a workload's repetitions cannot be scored."""
    if len(repetitions) != settings.repetitions:
        yield f"{len(repetitions)} of {settings.repetitions} repetitions"
    for i, report in enumerate(repetitions):
        content = report.get("report") if isinstance(report, dict) else None
        if not isinstance(content, dict):
            yield f"repetition {i}: no report"
        elif content.get("log") != "ok":
            yield f"repetition {i}: {content.get('log', 'no log')}"
        else:
            scores = content.get("wl-scores")
            found = scores if isinstance(scores, dict) else {}
            missing = [key for key in workload.ref_scores if not _is_score(found.get(key))]
            if missing:
                yield f"repetition {i}: no score {', '.join(missing)}"


def _is_score(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


def _with_references(workload: Workload, reports: Sequence[Any]) -> dict[str, float]:
    """Return the median of each score over repetitions, and its reference as ``<score>_ref``."""
    found: dict[str, float] = {}
    for key, reference in workload.ref_scores.items():
        found[key] = statistics.median(report["report"]["wl-scores"][key] for report in reports)
        found[f"{key}_ref"] = reference
    return found
