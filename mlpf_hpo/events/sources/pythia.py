"""Pythia 8: the only file that imports it.

Every event has a seed of its own, from the sample's seed and the event's number. That alone makes hard
processes independent of what was generated before (ttbar, QCD: none of 2,500 events each differed in another
order), but not diffraction, where Pythia carries a little state from event to event (4 of 1,500 minimum-bias
events differed). Callers therefore ask for fixed blocks of numbers, and each call has a fresh Pythia: equal
calls give equal bytes, whichever process makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError, DataError, did_you_mean
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.seeds import derive_seed

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
"""Settings of each process; minimum bias is for pile-up."""

# The seed of the start is always the same: all instances have the same tables, and only `event_seed` differs.
_SILENT = ("Print:quiet = on", "Random:setSeed = on", "Random:seed = 1")

SEEDS = 900_000_000
"""Pythia takes seeds from 1 to this."""

MAX_FAILURES = 100
"""Failed tries in a row after which a process counts as broken."""

LHE_BEAMS = 4
"""Pythia's frame type for beams and events of a Les Houches file."""

_INSTALL = "generating events needs Pythia 8: pip install 'mlpf_hpo[generate]' (GPL-2.0-or-later)"


@dataclass(frozen=True)
class PythiaSource:
    """A hard process, by its name in `PROCESSES`; see `EventSource`."""

    process: str

    def particles(self, seed: int, numbers: Iterable[int]) -> Iterator[Particles]:
        """Yield the final state of each event, see `generate_particles`."""
        return generate_particles(self.process, seed, numbers)

    def settings(self) -> dict[str, Any]:
        """Return Pythia's settings; its version is on record beside them."""
        return {"pythia": [*COMMON, *PROCESSES[self.process]]}


def pythia_version() -> str:
    """Return the version of the installed Pythia.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    try:
        return version("pythia8mc")
    except PackageNotFoundError:
        raise ConfigurationError(_INSTALL) from None


def event_seed(process: str, seed: int, number: int) -> int:
    """Return Pythia's seed for an event: no two numbers of a sample below 900,000,000 share one."""
    return (derive_seed(seed, "pythia", process) + number) % SEEDS + 1


def generate_particles(
    process: str, seed: int, numbers: Iterable[int], tables: Path | None = None
) -> Iterator[Particles]:
    """Yield the final state of the events with these numbers, made by a fresh Pythia in this order.

    With `tables`, a file of `save_tables` for this process, a start with diffraction takes less than a second
    instead of some fifteen. The file rounds the tables, so that events with and without it differ.

    Raises
    ------
    ConfigurationError
        If Pythia is not installed, does not know the process, or cannot make it.
    """
    pythia = _start(process, tables, reuse=2)
    for number in numbers:
        pythia.rndm.init(event_seed(process, seed, number))
        if not any(pythia.next() for _ in range(MAX_FAILURES)):
            raise ConfigurationError(
                f"Pythia fails to make {process} event {number} (seed {seed}), {MAX_FAILURES} times in a row"
            )
        yield _final_state(pythia.event)


def shower(file: Path, seed: int) -> Iterator[Particles]:
    """Yield the final state of each event of a Les Houches file: showered, hadronised and decayed.

    Beams and hard collisions are the file's, all else is set as for the hard processes. Events that Pythia
    cannot shower are left out, as its own programs do. The random numbers follow from the seed and from the
    number of the event in the file.

    Raises
    ------
    ConfigurationError
        If Pythia is not installed.
    DataError
        If it cannot read the file, or fails at most of its events.
    """
    pythia = _new()
    _set(pythia, (*(one for one in COMMON if not one.startswith("Beams:")), *_SILENT))
    pythia.settings.mode("Beams:frameType", LHE_BEAMS)
    pythia.settings.word("Beams:LHEF", str(file))
    if not pythia.init():
        raise DataError(f"{file}: Pythia cannot read it as a Les Houches event file")
    number = failures = 0
    while True:
        pythia.rndm.init(event_seed("lhe", seed, number))
        number += 1
        if pythia.next():
            failures = 0
            yield _final_state(pythia.event)
        elif pythia.infoPython().atEndOfFile():
            return
        elif (failures := failures + 1) > MAX_FAILURES:
            raise DataError(f"{file}: Pythia fails to shower {MAX_FAILURES} events in a row, up to {number}")


def save_tables(process: str, file: Path) -> None:
    """Write the tables of multiparton interactions that a start computes, for `generate_particles`."""
    _start(process, file, reuse=1)


def _start(process: str, tables: Path | None, reuse: int) -> Any:
    if process not in PROCESSES:
        raise ConfigurationError(
            f"no process {process!r}; there are {', '.join(PROCESSES)}{did_you_mean(process, PROCESSES)}"
        )
    pythia = _new()
    _set(pythia, (*COMMON, *PROCESSES[process], *_SILENT))
    if tables is not None:
        pythia.settings.mode("MultipartonInteractions:reuseInit", reuse)
        # Not by readString, for which a path ends at its first space.
        pythia.settings.word("MultipartonInteractions:initFile", str(tables))
    if not pythia.init():
        raise ConfigurationError(f"Pythia cannot be initialised for {process} events")
    return pythia


def _new() -> Any:
    try:
        import pythia8mc
    except ImportError:
        raise ConfigurationError(_INSTALL) from None
    return pythia8mc.Pythia("", False)


def _set(pythia: Any, settings: Iterable[str]) -> None:
    for setting in settings:
        if not pythia.readString(setting):
            raise ConfigurationError(f"this version of Pythia does not know the setting {setting!r}")


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
