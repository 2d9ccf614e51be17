"""Progress of trials, for a display."""

from __future__ import annotations

import math
from collections.abc import Callable

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.trial_state import TrialState

Progress = Callable[[float, float, str], None]
"""Called with trials done (one that was begun counts by its share of epochs), trials in all, and a note."""


def progress_of(ledger: Ledger, n_starting: int = 0) -> tuple[float, float, str]:
    """Return what a `Progress` is called with; `n_starting` of the running trials still wait for a worker."""
    running, paused = ledger.in_state(TrialState.RUNNING), ledger.in_state(TrialState.PAUSED)
    ended = ledger.in_state(TrialState.ENDED)
    begun = [trial for trial in ledger.trials.values() if trial.state is not TrialState.ENDED]
    done = len(ended) + sum(trial.epochs / ledger.max_epochs for trial in begun)
    failed = sum(trial.status == "failed" for trial in ended)
    notes = [f"{len(ended)} of {len(ledger.trials)} done", f"{len(running) - n_starting} running"]
    if n_starting:
        notes.append(f"{n_starting} starting")
    if paused:
        notes.append(f"{len(paused)} paused")
    if failed:
        notes.append(f"{failed} failed")
    if not math.isnan(ledger.best()):
        notes.append(f"best {ledger.best():.4g}")
    return done, float(len(ledger.trials)), ", ".join(notes)
