"""A HEPscore from the reports of workloads: the digits that HEPscore 1.5 gives.

Every score over its reference, rounded; geometric mean over a workload's scores, rounded; median over
repetitions; weighted geometric mean over workloads, times the scaling, rounded: each time to four digits.
Without as many valid repetitions of every workload as asked for the score is -1. Stricter than HEPscore 1.5,
which looks at none of these: a report whose log is not ``ok``, and a score that is not above zero.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.files import write_json
from mlpf_hpo.workload.hepscore_command import Execute, check_engine, container_command, run_command
from mlpf_hpo.workload.hepscore_config import Hepscore, Workload

DIGITS = 4
FAILED = -1.0
REQUIRED = ("app", "run_info", "report")


@dataclass(frozen=True)
class Repetition:
    """A run of a workload: what its report holds, None if it could not be read, and its exit status."""

    report: Any
    exit_status: int = 0


def geometric_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the weighted geometric mean; 0 if any value is.

    Examples
    --------
    >>> geometric_mean([2.0, 8.0]), round(geometric_mean([2.0, 16.0], weights=[2.0, 1.0]), 12)
    (4.0, 4.0)
    """
    exponents = weights or [1.0] * len(values)
    # Not by logarithms: their last digits differ, and may decide how the fourth one is rounded.
    return float(math.prod(v**w for v, w in zip(values, exponents, strict=True)) ** (1.0 / sum(exponents)))


def repetition_score(ref_scores: Mapping[str, float], scores: Mapping[str, float]) -> float:
    """Return the geometric mean of a repetition's scores over their references.

    Examples
    --------
    >>> repetition_score({"train": 50.0, "infer": 100.0}, {"train": 100.0, "infer": 800.0})
    4.0
    """
    relative = [round(scores[key] / reference, DIGITS) for key, reference in ref_scores.items()]
    return round(geometric_mean(relative), DIGITS)


def compute_hepscore(config: Hepscore, runs: Mapping[str, Sequence[Repetition]]) -> dict[str, Any]:
    """Return the summary of a run: score, status, and what they are made of.

    `runs` has the repetitions of each workload. Where one failed, `score` is -1, `status` ``failed``, `error`
    the first workload that did, and `problems` says why, workload by workload.
    """
    settings, problems, medians = config.settings, {}, {}
    scores: dict[str, dict[str, float]] = {}
    details: dict[str, Any] = {}
    for name, workload in config.benchmarks.items():
        repetitions = list(runs.get(name, ()))
        details[name] = workload.model_dump(mode="json") | {
            f"run{i}": {"report": each.report, "exit_status": each.exit_status}
            for i, each in enumerate(repetitions)
        }
        reasons = [*_failures(workload, repetitions, settings.repetitions, settings.retries)]
        if reasons:
            problems[name] = reasons
            continue
        reports = [each.report["report"]["wl-scores"] for each in repetitions if _is_report(each.report)]
        medians[name], scores[name] = _median(workload.ref_scores, reports)
        details[name]["score"] = medians[name]
    if problems:
        outcome: dict[str, Any] = {"score": FAILED, "status": "failed", "error": next(iter(problems))}
        outcome["problems"] = problems
    else:
        weights = [workload.weight for workload in config.benchmarks.values()]
        score = geometric_mean(list(medians.values()), weights) * settings.scaling
        outcome = {"score": round(score, DIGITS), "status": "success"}
    return {
        **outcome,
        "wl-scores": scores,
        "app_info": {"config_hash": config.config_hash},
        "settings": settings.model_dump(mode="json"),
        "environment": {
            "system": platform.platform(),
            "arch": platform.machine(),
            "hostname": platform.node(),
        },
        "benchmarks": details,
    }


def run_hepscore(
    config: Hepscore,
    folder: Path,
    execute: Execute | None = None,
    on_run: Callable[[str, int], None] | None = None,
) -> dict[str, Any]:
    """Run every workload as often as asked for, and write and return ``<name>.json``.

    Every run has its own folder ``<workload>/run<i>``, which must not be there yet. Commands are run by
    `execute`, by default as subprocesses; `on_run` is called before each with the workload and its number.

    Raises
    ------
    ConfigurationError
        If the container engine is not there.
    DataError
        If the folder holds an earlier run.
    """
    settings = config.settings
    if execute is None:
        check_engine(settings.container_exec)
        execute = run_command
    runs: dict[str, list[Repetition]] = {}
    for name, workload in config.benchmarks.items():
        runs[name] = []
        good = failed = 0
        while good < settings.repetitions and failed <= settings.retries:
            run_folder = folder / name / f"run{good + failed}"
            try:
                run_folder.mkdir(parents=True)
            except FileExistsError:
                raise DataError(f"{run_folder}: there from an earlier run; choose another folder") from None
            if on_run is not None:
                on_run(name, good + failed)
            status = execute(container_command(config, name, run_folder), run_folder / "container.log")
            good, failed = good + (status == 0), failed + (status != 0)
            runs[name].append(Repetition(_read(run_folder / results_file(name, workload)), status))
        failures = _failures(workload, runs[name], settings.repetitions, settings.retries)
        if any(True for _ in failures) and not settings.continue_fail:
            break
    summary = compute_hepscore(config, runs)
    write_json(folder / f"{settings.name}.json", summary)
    return summary


def replay_hepscore(config: Hepscore, folder: Path) -> dict[str, Any]:
    """Return the summary of runs that are there, in the folders that `run_hepscore` and HEPscore make.

    Raises
    ------
    MissingInputError
        If there are none.
    """
    runs = {
        name: [Repetition(_read(path)) for path in sorted(folder.glob(f"{name}/run*/{file}"))]
        for name, file in ((name, results_file(name, w)) for name, w in config.benchmarks.items())
    }
    if not any(runs.values()):
        raise MissingInputError(
            f"{folder}: no runs of {', '.join(runs)}; it must hold WORKLOAD/run0/WORKLOAD_summary.json ..."
        )
    return compute_hepscore(config, runs)


def results_file(name: str, workload: Workload) -> str:
    """Return the name of a workload's report."""
    return workload.results_file or f"{name}_summary.json"


def _read(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, allow_nan=False)  # what is no number is no JSON, and could not be written again
    except (OSError, ValueError, RecursionError):
        return None
    return content


def _median(
    ref_scores: Mapping[str, float], reports: Sequence[Mapping[str, float]]
) -> tuple[float, dict[str, float]]:
    """Return the median over repetitions, and the scores of the run that it is of, with references.

    Of an even number of repetitions, it is the mean of the two in the middle.
    """
    ordered = sorted(
        ((repetition_score(ref_scores, each), each) for each in reports), key=lambda pair: pair[0]
    )
    middle = len(ordered) // 2
    chosen = ordered[middle : middle + 1] if len(ordered) % 2 else ordered[middle - 1 : middle + 1]
    found: dict[str, float] = {}
    for key, reference in ref_scores.items():
        found[key] = sum(each[key] for _, each in chosen) / len(chosen)
        found[f"{key}_ref"] = reference
    return sum(score for score, _ in chosen) / len(chosen), found


def _failures(
    workload: Workload, repetitions: Sequence[Repetition], wanted: int, retries: int
) -> Iterator[str]:
    """Yield why a workload cannot be scored."""
    bad = [i for i, each in enumerate(repetitions) if each.exit_status != 0]
    if len(bad) > retries:
        yield from (f"run {i}: left with status {repetitions[i].exit_status}" for i in bad)
    valid = 0
    for i, each in enumerate(repetitions):
        if not _is_report(each.report):
            if i not in bad:
                yield f"run {i}: no report"
            continue
        content = each.report["report"]
        missing = [key for key in workload.ref_scores if not _is_score(content["wl-scores"].get(key))]
        if content.get("log", "ok") != "ok":
            yield f"run {i}: {content['log']}"
        elif missing:
            yield f"run {i}: no score {', '.join(missing)}"
        else:
            valid += 1
    # A report that a failed run left counts as well: HEPscore takes whatever it finds.
    if valid != wanted:
        yield f"{valid} scores of {wanted} repetitions"


def _is_report(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(key), dict) for key in REQUIRED)
        and isinstance(content["report"].get("wl-scores"), dict)
    )


def _is_score(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )
