"""Generated events in HepMC files, versions 2 and 3: the only file that imports pyhepmc.

Its readers end at an event that they cannot parse, and skip lines that they do not know, without an error. So
what is read is compared with the events and particles that the file has lines of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlpf_hpo.errors import ConfigurationError, DataError, one_line
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.restricted_unpickler import OPENERS
from mlpf_hpo.events.sources.pdg_charge import pdg_charge
from mlpf_hpo.file_kind import compression, file_kind

_INSTALL = "HepMC files need pyhepmc: pip install 'mlpf_hpo[hepmc]'"

FORMATS = {b"HepMC::Asciiv3": "hepmc3", b"HepMC::IO_GenEvent": "hepmc2"}
"""What stands in the first lines of a file, and pyhepmc's name of its format."""

LHE = b"<LesHouchesEvents"

HEAD_BYTES = 4096

FINAL = 1
"""Status of a particle that has neither decayed nor been documentation only."""

MM = 1e-3
"""Millimetres, HepMC's unit of length once it is asked for, in m."""


def is_lhe(file: Path) -> bool:
    """Tell whether a file, compressed or not, is a Les Houches event file."""
    return LHE in _head(file)


def read_hepmc(file: Path) -> Iterator[Particles]:
    """Yield the final particles of each event, in GeV and m whatever the file's units are.

    The file may be compressed by gzip, bz2 or xz.

    Raises
    ------
    ConfigurationError
        If pyhepmc is not installed.
    DataError
        If the file holds no such events, or not all of it can be read; the message says how much.
    """
    try:
        import pyhepmc
    except ImportError:
        raise ConfigurationError(_INSTALL) from None
    head = _head(file)
    format_name = next((name for mark, name in FORMATS.items() if mark in head), None)
    if format_name is None:
        kind = "of another format" if compression(file) else file_kind(file)
        raise DataError(f"{file}: {kind}, no HepMC file of version 2 or 3")
    n_events = n_particles = 0
    with OPENERS[compression(file)](file) as stream, _silent(pyhepmc):
        counted = _Counted(stream)
        with pyhepmc.open(counted, format=format_name) as events:
            while (event := _next(events, file, n_events)) is not None:
                n_events += 1
                n_particles += len(event.particles)
                yield _final_state(pyhepmc, event)
        # Of compressed files that are cut short, pyhepmc takes the error for their end: it comes again here.
        try:
            counted.drain()
        except Exception as error:
            raise _damaged(file, n_events, one_line(error)) from None
    if (n_events, n_particles) != (counted.events, counted.particles):
        found = f"it has lines of {counted.events} events with {counted.particles} particles"
        raise _damaged(file, n_events, f"{found}, of which {n_events} and {n_particles} can be read")
    if not n_events:
        raise DataError(f"{file}: no events")


def _final_state(pyhepmc: Any, event: Any) -> Particles:
    event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    of = event.numpy.particles
    final = of.status == FINAL
    pid = np.asarray(of.pid[final], dtype=np.int64)
    momentum = np.stack([of.px, of.py, of.pz, of.e], axis=1)[final].astype(np.float64)
    # A vertex may have no position of its own: then it is that of the vertex before, which HepMC finds.
    positions: dict[int, tuple[float, ...]] = {}
    vertex = np.zeros((len(pid), 3))
    for row, i in enumerate(np.flatnonzero(final)):
        made = event.particles[int(i)].production_vertex
        if made is not None:
            if made.id not in positions:
                positions[made.id] = (made.position.x, made.position.y, made.position.z)
            vertex[row] = positions[made.id]
    return Particles(pid, pdg_charge(pid), momentum, vertex * MM)


class _Counted:
    """A binary stream that counts the lines of events and of particles that go through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._begin = b"\n"  # of the line that is not complete yet, with the end of the one before
        self.events = self.particles = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end."""
        content = self._stream.read(size)
        text = self._begin + content
        self.events += text.count(b"\nE ")
        self.particles += text.count(b"\nP ")
        self._begin = text[-2:]
        return content

    def readinto1(self, buffer: memoryview) -> int:
        """Fill a buffer; it is this that pyhepmc calls."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def write(self, content: bytes) -> int:
        """Be there: pyhepmc asks for it, and when it closes writes nothing."""
        return len(content)

    def drain(self) -> None:
        """Read what is left: a reader stops where it cannot parse."""
        while self.read(2**20):
            pass


def _next(events: Any, file: Path, done: int) -> Any:
    try:
        return events.read()
    except Exception as error:  # of the decompression, too
        raise _damaged(file, done, one_line(error)) from None


def _head(file: Path) -> bytes:
    try:
        with OPENERS[compression(file)](file) as stream:
            return bytes(stream.read(HEAD_BYTES))
    except Exception as error:  # each decompression raises errors of its own
        raise DataError(f"{file}: cannot be read: {one_line(error)}") from None


@contextmanager
def _silent(pyhepmc: Any) -> Iterator[None]:
    """Keep pyhepmc's own messages off the terminal: what they say is said by an error."""
    before = pyhepmc.Setup.print_errors, pyhepmc.Setup.print_warnings, pyhepmc.Setup.debug_level
    pyhepmc.Setup.print_errors, pyhepmc.Setup.print_warnings, pyhepmc.Setup.debug_level = False, False, 0
    try:
        yield
    finally:
        pyhepmc.Setup.print_errors, pyhepmc.Setup.print_warnings, pyhepmc.Setup.debug_level = before


def _damaged(file: Path, n_events: int, reason: str) -> DataError:
    return DataError(f"{file}: damaged after event {n_events}: {reason}")
