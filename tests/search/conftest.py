"""Curves, and a backend without Ray whose workers finish epochs in a random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mlpf_hpo.search.ledger import Ledger
from mlpf_hpo.search.scheduler import Decision
from mlpf_hpo.search.trial_state import TrialState

Simulate = Callable[..., list[tuple[str, int, float, Decision]]]


@pytest.fixture
def curves() -> Callable[..., dict[str, list[float]]]:
    """Return a maker of curves that fall to different ends with some noise."""

    def make(n: int, epochs: int, seed: int) -> dict[str, list[float]]:
        generator = np.random.default_rng(seed)
        ends = generator.uniform(1, 3, n)
        rates = generator.uniform(0.2, 2, n)
        noise = generator.normal(0, 0.1, (n, epochs))
        steps = np.arange(1, epochs + 1)
        table = ends[:, None] + 3 * np.exp(-rates[:, None] * steps) + noise
        return {f"t{i:03d}": [float(value) for value in row] for i, row in enumerate(table)}

    return make


@pytest.fixture
def simulate() -> Simulate:
    """Return a function that runs a ledger to its end, or until so many results."""

    def run(
        ledger: Ledger,
        table: dict[str, list[float]],
        workers: int,
        seed: int,
        results: int | None = None,
        broken: Sequence[str] = (),
    ) -> list[tuple[str, int, float, Decision]]:
        generator = np.random.default_rng(seed)
        at: dict[str, int] = {}
        reported: list[tuple[str, int, float, Decision]] = []
        while not ledger.all_ended:
            while len(ledger.in_state(TrialState.RUNNING)) < workers:
                chosen = ledger.next_trial()
                if chosen is None:
                    break
                at[chosen] = 0  # begins with what its checkpoint holds
            running = [trial.trial_id for trial in ledger.in_state(TrialState.RUNNING)]
            if not running:
                ledger.end_waiting()
                continue
            trial_id = running[generator.integers(len(running))]
            at[trial_id] += 1
            if trial_id in broken and at[trial_id] == 2:
                ledger.report_failure(trial_id, "broken")
                continue
            value = table[trial_id][at[trial_id] - 1]
            known = at[trial_id] <= ledger.trials[trial_id].epochs
            decision = ledger.report(trial_id, at[trial_id], value)
            if not known:
                reported.append((trial_id, at[trial_id], value, decision))
                ledger.commit(trial_id)
            if decision is Decision.STOP or at[trial_id] == ledger.max_epochs:
                ledger.report_end(trial_id)
            if results is not None and len(reported) == results:
                break
        return reported

    return run
