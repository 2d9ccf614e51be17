"""`Trial` and `TrialState`: whether one trial of a search is pending, running, paused or ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from mlpf_hpo.search.scheduler import Stop
from mlpf_hpo.space import Configuration


class TrialState(enum.Enum):
    """State of a trial of a search."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass
class Trial:
    """One trial of a search.

    Attributes
    ----------
    trial_id, key : str
        Position in the stream, and identity.
    values : list of float
        The target metric after each epoch that was reported to the scheduler.
    status : str
        How it ended: "finished", "stopped", "diverged" or "failed"; empty until then.
    reason : str
        The rule that stopped it, or the error that it failed with.
    stop : Stop or None
        What the scheduler recorded when it stopped it; or that it waited when the search ended.
    end_reported : bool
        Whether its end was reported to the scheduler.
    ran_in_this_process : bool
        Whether it ran since the ledger was created, so that its epochs were reported to this process.
    deaths : int
        How many times the process that trained it died since the ledger was created.
    counted_deaths : int
        How many of these count against it.
    epochs_at_death : int
        Its epochs when that happened last; -1 if it never did.
    """

    trial_id: str
    key: str
    configuration: Configuration
    state: TrialState = TrialState.PENDING
    values: list[float] = field(default_factory=list)
    status: str = ""
    reason: str = ""
    stop: Stop | None = None
    end_reported: bool = False
    ran_in_this_process: bool = False
    deaths: int = 0
    counted_deaths: int = 0
    epochs_at_death: int = -1

    @property
    def epochs(self) -> int:
        """Number of epochs that were reported to the scheduler."""
        return len(self.values)
