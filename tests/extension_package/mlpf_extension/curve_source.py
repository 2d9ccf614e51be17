"""A source of curves: a line of JSON per trial, {"params": {...}, "values": [...]}, from step 0."""

from __future__ import annotations

import json
from pathlib import Path

from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import MissingInputError


def read(where: str, query: Query) -> RecordedTrainings:
    """Return the trials of a file."""
    file = Path(where)
    if not file.is_file():
        raise MissingInputError(f"{where}: no such file")
    trials = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    metric = choose_metric({"loss": len(trials)}, query.metric, where)
    trainings = (
        RecordedTraining(str(number), trial["params"], list(enumerate(trial["values"])), "finished")
        for number, trial in enumerate(trials)
    )
    return RecordedTrainings(metric, tuple(trainings), mode="min")
