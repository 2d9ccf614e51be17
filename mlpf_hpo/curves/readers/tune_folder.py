"""Read the results folder of a Ray Tune experiment, without Ray: plain JSON and CSV, no pickle.

What Ray Tune 2.60 writes: a folder for each trial with its results, a line for each report, and beside them
the state of the experiment, a further file after each restoration. A restored trial goes on in its own
files, from its last checkpoint: iterations after that stand there twice. `done` is true in the last result of
a trial that was stopped, by a scheduler or because a limit was reached, and false where its function
returned. `error.txt` stays when a failed trial is restored and then finishes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.readers.configurations import flat
from mlpf_hpo.curves.readers.folders import folder_name, run_folders
from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import DataError

ITERATION, SINCE_RESTORE = "training_iteration", "iterations_since_restore"

BOOKKEEPING = frozenset(
    f"""{ITERATION} {SINCE_RESTORE} timestamp checkpoint_dir_name done trial_id date time_this_iter_s
    time_total_s pid hostname node_ip time_since_restore should_checkpoint timesteps_total episodes_total
    timesteps_since_restore""".split()
)
"""What Ray Tune adds to each result."""

Result = Mapping[str, Any]


def read_tune(where: str, query: Query) -> RecordedTrainings:
    r"""Return the trials of an experiment, or of all experiments in a folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     trial = Path(folder) / "train_1"
    ...     trial.mkdir()
    ...     _ = (trial / "params.json").write_text('{"lr": 0.1}')
    ...     _ = (trial / "result.json").write_text('{"training_iteration": 1, "loss": 0.5}\n')
    ...     read_tune(folder, Query()).trainings[0].points
    [(1, 0.5)]
    """
    root = Path(where)
    folders = run_folders(where, "tune", query.condition)
    results = {folder: list(_results(folder)) for folder in folders}
    names = {folder: {name for one in found for name in _metrics(one)} for folder, found in results.items()}
    metric = choose_metric(Counter(name for found in names.values() for name in found), query.metric, where)
    states = {experiment: _states(experiment) for experiment in {folder.parent for folder in folders}}
    lasts = {id(found[-1]): int(found[-1].get(ITERATION, 0)) for found in results.values() if found}
    longest = max(lasts.values())
    trainings = []
    for folder, found in results.items():
        state = states[folder.parent].get(str(found[-1].get("trial_id"))) if found else None
        cut = bool(found) and found[-1].get("done") in (True, "True") and lasts[id(found[-1])] < longest
        trainings.append(
            RecordedTraining(
                name=folder_name(folder, root),
                configuration=_configuration(folder),
                points=[
                    (int(one[ITERATION]), float(one[metric])) for one in found if metric in _metrics(one)
                ],
                status=_status(state, (folder / "error.txt").exists(), cut),
                resumed=sum(int(one.get(SINCE_RESTORE, 0)) == 1 for one in found[1:]),
            )
        )
    return RecordedTrainings(metric, tuple(trainings))


def _status(state: str | None, failed: bool, cut: bool) -> str:
    """Return how a trial ended.

    Parameters
    ----------
    state : str or None
        What the experiment's newest state says; None where there is no such file.
    failed : bool
        Whether it ever failed.
    cut : bool
        Whether it was stopped earlier than the longest trial.
    """
    if state == "ERROR" or (state is None and failed):
        return "failed"
    if state in ("RUNNING", "PAUSED", "PENDING"):
        return state.lower() if state != "PENDING" else "running"
    if cut:
        return "stopped"
    return "finished" if state == "TERMINATED" else "unknown"


def _results(folder: Path) -> Iterator[Result]:
    """Yield the results of a trial, flat, without an unfinished last line of a process that was killed."""
    file = folder / "result.json"
    if not file.exists():
        yield from csv.DictReader(io.StringIO(_text(folder / "progress.csv")))
        return
    lines = _text(file).splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            result = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise DataError(f"{file}: line {number} is no result of Ray Tune: {error}") from None
        if not isinstance(result, dict):
            raise DataError(f"{file}: line {number} is no result of Ray Tune: not an object of JSON")
        yield {name: value for name, value in _flat(result).items() if not name.startswith("config/")}


def _flat(result: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _metrics(result: Result) -> list[str]:
    """Return the names of the numbers that a trial reported."""
    return [
        name
        for name, value in result.items()
        if name not in BOOKKEEPING and ITERATION in result and _is_number(value)
    ]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _configuration(folder: Path) -> Mapping[str, object]:
    file = folder / "params.json"
    if not file.exists():
        raise DataError(
            f"{file}: not there: the trial's parameters, which Ray Tune writes beside its results"
        )
    try:
        found = json.loads(_text(file))
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{file}: not an object of JSON with the trial's parameters")
    return flat(found)


def _states(experiment: Path) -> dict[str, str]:
    """Return trial -> state, as the newest file of an experiment's state says."""
    files = sorted(experiment.glob("experiment_state-*.json"))
    if not files:
        return {}
    try:
        trials = [json.loads(trial) for trial, _ in json.loads(_text(files[-1]))["trial_data"]]
        return {str(trial["trial_id"]): str(trial["status"]) for trial in trials}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{files[-1]}: not a state of a Ray Tune experiment: {error}") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
