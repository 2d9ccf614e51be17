"""Tiers of the benchmark: fixed events, the same for everyone, shipped with the package.

An installed package adds one by an entry point of `mlpf_hpo.workload_tiers`, which leads to a `Tier`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlpf_hpo.errors import DataError
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.extensions import Registry

SHIPPED = Path(__file__).with_name("tier_events")


@dataclass(frozen=True)
class Tier:
    """Events that the benchmark trains on.

    Attributes
    ----------
    description : str
        One line for people.
    path : path
        The event store.
    digest : str
        Its digest. Other events make scores incomparable: they are refused.
    events_per_thread, epochs : int
        How many a thread trains on per epoch, and for how long, unless told otherwise. Events come round
        again where the store has fewer.
    """

    description: str
    path: Path
    digest: str
    events_per_thread: int
    epochs: int

    def verified(self) -> Path:
        """Return the path of the store after a look at every byte.

        Raises
        ------
        DataError
            If these are not the events of this tier.
        """
        store = EventStore.open(self.path)
        store.verify()
        if store.digest != self.digest:
            raise DataError(
                f"{self.path}: digest {store.digest}, and this tier's events have {self.digest}; install "
                "mlpf_hpo again"
            )
        return self.path


TIERS: Registry[Tier] = Registry(
    "mlpf_hpo.workload_tiers",
    "tier",
    {
        "pu0": Tier(
            description="48 top quark pairs without pile-up, 143 elements each",
            path=SHIPPED / "pu0",
            digest="0d739f67d8911178",
            events_per_thread=480,
            epochs=11,
        ),
        "pu200": Tier(
            description="8 top quark pairs at a mean pile-up of 200, 5119 elements each",
            path=SHIPPED / "pu200",
            digest="710eb68d164ca8f5",
            events_per_thread=16,
            epochs=11,
        ),
    },
)
"""By name."""
