"""Where one trial of a search stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from mlpf_hpo.search.scheduler import Stop
from mlpf_hpo.space import Configuration


class TrialState(enum.Enum):
    """Where a trial stands."""

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
    configuration : mapping
        Hyperparameter name -> value.
    state : TrialState
        Where it stands.
    values : list of float
        The target metric after each epoch that the scheduler has heard of.
    status : str
        How it ended: "finished", "stopped", "diverged" or "failed"; empty until then.
    reason : str
        The rule that stopped it, or the error that it failed with.
    stop : Stop or None
        What the scheduler recorded when it stopped it.
    told : bool
        Whether the scheduler has heard that it ended.
    here : bool
        Whether it ran since the ledger was made, so that its epochs were reported to this process.
    deaths : int
        How often the process that trained it died since the ledger was made.
    """

    trial_id: str
    key: str
    configuration: Configuration
    state: TrialState = TrialState.PENDING
    values: list[float] = field(default_factory=list)
    status: str = ""
    reason: str = ""
    stop: Stop | None = None
    told: bool = False
    here: bool = False
    deaths: int = 0

    @property
    def epochs(self) -> int:
        """Number of epochs that the scheduler has heard of."""
        return len(self.values)
