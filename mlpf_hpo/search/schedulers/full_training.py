"""`FullTraining`: the scheduler of campaigns, which trains every trial to the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from mlpf_hpo.search.scheduler import Decision, Stop
from mlpf_hpo.space import Configuration


class FullTraining:
    """Stop nothing, start trials in their order.

    Examples
    --------
    >>> scheduler = FullTraining()
    >>> scheduler.on_trial_result("t0", 1, 3.0).value, scheduler.choose(["t1", "t2"], [])
    ('continue', 't1')
    """

    @property
    def stops(self) -> Mapping[str, Stop]:
        """Nothing is ever stopped."""
        return {}

    def on_trial_add(self, trial_id: str, configuration: Configuration) -> None:
        """Ignore a trial: none is stopped or paused."""

    def on_trial_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Continue."""
        return Decision.CONTINUE

    def on_trial_complete(self, trial_id: str) -> None:
        """Ignore the end of a trial."""

    def on_trial_error(self, trial_id: str) -> None:
        """Ignore the failure of a trial."""

    def choose(self, pending: Sequence[str], paused: Sequence[str]) -> str | None:
        """Return the first trial that waits."""
        return next(chain(paused, pending), None)
