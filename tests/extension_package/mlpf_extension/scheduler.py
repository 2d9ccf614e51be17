"""A scheduler: of two neighbours one is trained to the end, the other only for the grace epochs."""

from __future__ import annotations

from mlpf_hpo.search.scheduler import BaseScheduler, Decision, Stop
from mlpf_hpo.space import Mode


class EveryOther(BaseScheduler):
    """Stop trials with an odd number after `grace_epochs`."""

    def __init__(self, max_epochs: int, grace_epochs: int = 1, mode: Mode = "min") -> None:
        super().__init__(max_epochs, mode)
        self.grace_epochs = grace_epochs

    def _decide(self, trial_id: str, epoch: int, value: float) -> Decision:
        if epoch < self.grace_epochs or int(trial_id[1:]) % 2 == 0:
            return Decision.CONTINUE
        return self._stop(Stop(trial_id, epoch, value, "rank"))
