"""Pythia 8: the only file that imports it.

Pythia's state after an event depends on all events before it, so events are made in blocks: each block has a
Pythia of its own, seeded by (seed, block). Event k is the same whatever the number of workers, and whatever
the
number of events asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.seeds import derive_seed

BLOCK = 250
"""Events per Pythia instance; starting one takes as long as some 40 events (minimum bias: 2,000)."""

COMMON = (
    "Beams:eCM = 14000.",
    "Tune:pp = 14",
    "Tune:ee = 7",
    "SpaceShower:rapidityOrder = on",
    "SigmaProcess:alphaSvalue = 0.140",
    "SpaceShower:pT0Ref = 1.56",
    "SpaceShower:pTmaxFudge = 0.91",
    "SpaceShower:pTdampFudge = 1.05",
    "SpaceShower:alphaSvalue = 0.127",
    "TimeShower:alphaSvalue = 0.127",
    "BeamRemnants:primordialKThard = 1.88",
    "MultipartonInteractions:pT0Ref = 2.09",
    "MultipartonInteractions:alphaSvalue = 0.126",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
    "Print:quiet = on",
)
"""Settings of every process: the CMS-like tune, 14 TeV, particles that live longer than 10 mm stay stable."""

PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "6:m0 = 172.5"),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20."),
    "minimum_bias": (
        "SoftQCD:nonDiffractive = on",
        "SoftQCD:singleDiffractive = on",
        "SoftQCD:doubleDiffractive = on",
    ),
}

MAX_FAILURES = 100
"""Failed tries in a row after which a process counts as broken."""


@dataclass(frozen=True)
class Particles:
    """Final-state particles.

    Attributes
    ----------
    pid : array [n], int64
        PDG codes.
    charge : array [n], float64
        Electric charge, units of e.
    momentum : array [n, 4], float64
        px, py, pz, E in GeV.
    vertex : array [n, 3], float64
        Where the particle was made, in m.
    """

    pid: NDArray[np.int64]
    charge: NDArray[np.float64]
    momentum: NDArray[np.float64]
    vertex: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.pid)


def generate_particles(process: str, n_events: int, seed: int, block: int = 0) -> Iterator[Particles]:
    """Yield the first `n_events` events of a block.

    Parameters
    ----------
    process : str
        A key of `PROCESSES`.
    n_events : int
        Number of events.
    seed, block : int
        Together they seed this block's Pythia.

    Raises
    ------
    ConfigurationError
        If Pythia is not installed.
    """
    pythia = _start(process, derive_seed(seed, "pythia", process, block))
    for _ in range(n_events):
        for _try in range(MAX_FAILURES):
            if pythia.next():
                break
        else:
            raise ConfigurationError(f"Pythia fails to make {process} events ({MAX_FAILURES} times in a row)")
        yield _final_state(pythia.event)


def _start(process: str, seed: int) -> Any:
    try:
        import pythia8mc
    except ImportError:
        raise ConfigurationError(
            "generating events needs Pythia 8: pip install 'mlpf_hpo[generate]' (GPL-2.0-or-later)"
        ) from None
    pythia = pythia8mc.Pythia("", False)
    # Pythia takes seeds from 1 to 900,000,000.
    settings = (
        *COMMON,
        *PROCESSES[process],
        "Random:setSeed = on",
        f"Random:seed = {seed % 900_000_000 + 1}",
    )
    for setting in settings:
        if not pythia.readString(setting):
            raise ConfigurationError(f"this version of Pythia does not know the setting {setting!r}")
    if not pythia.init():
        raise ConfigurationError(f"Pythia cannot be initialised for {process} events")
    return pythia


def _final_state(record: Any) -> Particles:
    rows = [
        (p.id(), p.charge(), p.px(), p.py(), p.pz(), p.e(), p.xProd(), p.yProd(), p.zProd())
        for p in record
        if p.isFinal()
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 9)
    return Particles(
        pid=table[:, 0].astype(np.int64),
        charge=table[:, 1],
        momentum=table[:, 2:6],
        vertex=table[:, 6:9] / 1000.0,  # mm -> m
    )
