"""Check that no more trials failed than `failures_allowed`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlpf_hpo.errors import DataError
from mlpf_hpo.tuning.run import TrialOutcome

TRAINED = ("finished", "stopped")
"""Statuses of trials that were trained as far as their scheduler wanted them to be."""


def check_failures(outcomes: Sequence[TrialOutcome], allowed: int, stage: str) -> None:
    """Refuse a result that failed trials have made short; a trial that diverged has not failed.

    Parameters
    ----------
    outcomes : sequence of TrialOutcome
        All trials of a campaign, or of a search under one scheduler.
    allowed : int
        How many of them may have failed.
    stage : str
        Section of params.yaml with `failures_allowed`: "campaign" or "search".

    Raises
    ------
    DataError
        If no trial was trained, or more failed than may; the message has the commonest reason.
    """
    if not any(outcome.status in TRAINED for outcome in outcomes):
        raise DataError(f"no trial of {len(outcomes)} finished; {_commonest_reason(outcomes)}")
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if len(failed) > allowed:
        raise DataError(
            f"{len(failed)} of {len(outcomes)} trials failed, {allowed} may ({stage}.failures_allowed); "
            f"{_commonest_reason(failed)}. The others are on record; run it again to try the failed ones "
            "again"
        )


def _commonest_reason(outcomes: Sequence[TrialOutcome]) -> str:
    reasons = Counter(outcome.reason or outcome.status for outcome in outcomes)
    (reason, n), *_ = reasons.most_common(1)
    return f"{n} of them: {reason}"
