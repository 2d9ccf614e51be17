"""Generated events in files of other programs: HepMC as pyhepmc writes it, Les Houches events by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlpf_hpo.events.particles import Particles

UNITS = {"GEV MM": (1.0, 1.0), "MEV CM": (1000.0, 0.1)}
"""Units of a file, and what GeV and mm are in them."""


def write_hepmc(path: Path, collisions: list[Particles], form: str = "hepmc3", units: str = "GEV MM") -> Path:
    """Write collisions: final particles at the first vertex, and at a second one with what decayed there."""
    import pyhepmc

    energy, length = UNITS[units]
    momentum_unit, length_unit = (getattr(pyhepmc.Units, name) for name in units.split())
    with pyhepmc.open(str(path), "w", format=form, precision=16) as out:
        for number, own in enumerate(collisions):
            event = pyhepmc.GenEvent(momentum_unit, length_unit)
            event.event_number = number
            where = (own.vertex[0], own.vertex[-1])
            first, second = (pyhepmc.GenVertex((*(place * 1000 * length), 0.0)) for place in where)
            for pz in (7000.0, -7000.0):
                first.add_particle_in(pyhepmc.GenParticle((0, 0, pz * energy, 7000 * energy), 2212, 4))
            event.add_vertex(first)
            if not np.array_equal(*where):  # a vertex that nothing leaves is none of a valid file
                decayed = pyhepmc.GenParticle((0, 0, energy, 2 * energy), 421, 2)
                first.add_particle_out(decayed)
                second.add_particle_in(decayed)
                event.add_vertex(second)
            for pid, momentum, place in zip(own.pid, own.momentum, own.vertex, strict=True):
                vertex = first if np.array_equal(place, own.vertex[0]) else second
                vertex.add_particle_out(pyhepmc.GenParticle(tuple(momentum * energy), int(pid), 1))
            out.write(event)
    return path


def write_lhe(path: Path) -> Path:
    """Write four ttbar events of Pythia's own hard process as a Les Houches file."""
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    for setting in ("Beams:eCM = 14000.", "Top:gg2ttbar = on", "PartonLevel:all = off", "Print:quiet = on"):
        assert generator.readString(setting)
    assert generator.init()
    lines = ['<LesHouchesEvents version="1.0">', "<init>", "2212 2212 7000 7000 0 0 0 0 3 1", "1 1 1 1"]
    lines += ["</init>"]
    for _ in range(4):
        assert generator.next()
        lines += ["<event>", *_event_lines(generator.process), "</event>"]
    path.write_text("\n".join([*lines, "</LesHouchesEvents>", ""]))
    return path


def _event_lines(record) -> list[str]:
    """Return a hard process as the Les Houches accord has it (hep-ph/0609017)."""
    rows = [record[i] for i in range(3, record.size()) if record[i].statusAbs() in (21, 22, 23)]
    number = {row.index(): i for i, row in enumerate(rows, start=1)}
    status = {21: -1, 22: 2, 23: 1}
    lines = [f"{len(rows)} 1 1.0 {record.scale()} 0.0078 0.118"]
    for row in rows:
        mothers = [number.get(row.mother1(), 0), number.get(row.mother2(), 0)]
        momentum = [f"{value:.10e}" for value in (row.px(), row.py(), row.pz(), row.e(), row.m())]
        words = (row.id(), status[row.statusAbs()], *mothers, row.col(), row.acol(), *momentum, "0.", "9.")
        lines.append(" ".join(map(str, words)))
    return lines
