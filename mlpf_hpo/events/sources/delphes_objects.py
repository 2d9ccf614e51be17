"""What a Delphes file holds of some events, as flat arrays, with references resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.errors import DataError
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.sources.root_tree import REFERENCE, RootTree

MIXED, HARD = "PileUpMix", "Particle"
"""Generated particles: those of all collisions, which few cards keep, and those of the hard one."""

PARTICLE = ("fUniqueID", "PID", "Status", "Charge", "E", "Px", "Py", "Pz")
TRACK = ("PT", "Eta", "Phi", "P", "EtaOuter", "PhiOuter", "Charge", "Particle")
TOWER = ("ET", "Eta", "Phi", "E", "Eem", "Ehad", "Particles")
"""Branches of each collection that events are made of."""

TOWER_FLOATS = {"et": "ET", "eta": "Eta", "phi": "Phi", "energy": "E", "em": "Eem", "had": "Ehad"}
"""Branches of floats by the attribute of `Towers`."""

CHARGED = {"EFlow": ("EFlowTrack",), "PF": ("PFChargedHadron", "PFElectron", "PFMuon")}
NEUTRAL = {"EFlow": ("EFlowPhoton", "EFlowNeutralHadron"), "PF": ("PFPhoton", "PFNeutralHadron")}
"""Collections of the candidates, by how cards name them; photons come first of the neutral ones."""

OF_CHARGED, OF_NEUTRAL = ("PT", "Eta", "Phi", "Charge", "Particle"), ("ET", "Eta", "Phi", "E")

UNKNOWN_CHARGE = -999
"""What Delphes writes for a particle that its table does not know."""


@dataclass(frozen=True)
class Tracks:
    """Tracks of all events: floats [n], and the particle that each refers to."""

    event: IntArray
    particle: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    momentum: FloatArray
    outer_eta: FloatArray
    outer_phi: FloatArray
    charge: FloatArray


@dataclass(frozen=True)
class Towers:
    """Towers of all events: floats [n]; `particle` and `tower` [m] say which particles each has."""

    event: IntArray
    et: FloatArray
    eta: FloatArray
    phi: FloatArray
    energy: FloatArray
    em: FloatArray
    had: FloatArray
    particle: IntArray
    tower: IntArray


@dataclass(frozen=True)
class Charged:
    """Charged candidates of a collection."""

    collection: str
    event: IntArray
    particle: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    charge: FloatArray


@dataclass(frozen=True)
class Neutral:
    """Neutral candidates of a collection: photons or neutral hadrons."""

    collection: str
    event: IntArray
    et: FloatArray
    eta: FloatArray
    phi: FloatArray
    energy: FloatArray


@dataclass(frozen=True)
class Objects:
    """All of some events; events are numbered from 0 within them.

    Attributes
    ----------
    particles : Particles
        Generated particles, decayed ones too.
    particle_event : array [n], int64
        The event of each.
    stable : array [n], bool
        Which have not decayed.
    tracks, towers
        What the detector saw.
    charged, neutral : list
        Candidates by collection; empty if the file has none.
    """

    particles: Particles
    particle_event: IntArray
    stable: BoolArray
    tracks: Tracks
    towers: Towers
    charged: list[Charged]
    neutral: list[Neutral]


@dataclass(frozen=True)
class Reader:
    """Reads a file's objects.

    Attributes
    ----------
    tree : RootTree
        The file.
    source : str
        The collection of the generated particles.
    flow : str or None
        How candidates are named; None if there are none.
    """

    tree: RootTree
    source: str
    flow: str | None

    @staticmethod
    def of(tree: RootTree) -> Reader:
        """Return the reader of a file.

        Raises
        ------
        DataError
            If it lacks a branch; the message names it, and what in a card makes it.
        """
        source = MIXED if tree.has(MIXED) or tree.has(f"{MIXED}.PID") else HARD
        for collection, branches in ((source, PARTICLE), ("Track", TRACK), ("Tower", TOWER)):
            _require(tree, collection, branches)
        flow = next((name for name, of in NEUTRAL.items() if tree.has(f"{of[0]}.E")), None)
        if flow is not None:
            for collection in CHARGED[flow]:
                _require(tree, collection, OF_CHARGED)
            for collection in NEUTRAL[flow]:
                _require(tree, collection, OF_NEUTRAL)
        return Reader(tree, source, flow)

    def read(self, events: range) -> Objects:
        """Return what the file holds of some events.

        Raises
        ------
        DataError
            If a branch cannot be read, or tracks or towers refer to particles that the file does not have.
        """
        read = _Collection(self.tree, self.source, events)
        charge = read.floats("Charge")
        charge[charge == UNKNOWN_CHARGE] = 0.0
        momentum = np.column_stack([read.floats(name) for name in ("Px", "Py", "Pz", "E")])
        pid, stable = read.integers("PID"), read.integers("Status") == 1
        particles = Particles(pid, charge, momentum, np.zeros((len(charge), 3)))
        resolve = _Resolver(self, read.event("PID"), read.integers("fUniqueID") & REFERENCE)
        return Objects(
            particles,
            resolve.event,
            stable,
            self._tracks(events, resolve),
            self._towers(events, resolve),
            self._charged(events, resolve) if self.flow else [],
            self._neutral(events) if self.flow else [],
        )

    def _tracks(self, events: range, resolve: _Resolver) -> Tracks:
        read = _Collection(self.tree, "Track", events)
        event = read.event("PT")
        names = ("PT", "Eta", "Phi", "P", "EtaOuter", "PhiOuter", "Charge")
        return Tracks(event, resolve.of(read, event), *map(read.floats, names))

    def _towers(self, events: range, resolve: _Resolver) -> Towers:
        read = _Collection(self.tree, "Tower", events)
        event = read.event("ET")
        references, counts = self.tree.reference_lists("Tower.Particles", events)
        if len(counts) != len(event):
            raise DataError(f"{self.tree.file}: Tower.Particles: {len(counts)} lists for {len(event)} towers")
        tower = np.repeat(np.arange(len(event)), counts)
        particle = resolve(references, event[tower], "Tower.Particles")
        # A particle counts once in a tower, however often the list names it.
        tower, particle = np.divmod(
            np.unique(tower * (particle.max(initial=0) + 1) + particle), particle.max(initial=0) + 1
        )
        values = {name: read.floats(branch) for name, branch in TOWER_FLOATS.items()}
        return Towers(event=event, particle=particle, tower=tower, **values)

    def _charged(self, events: range, resolve: _Resolver) -> list[Charged]:
        out = []
        for collection in CHARGED[self.flow or ""]:
            read = _Collection(self.tree, collection, events)
            event = read.event("PT")
            particle = resolve.of(read, event)
            floats = map(read.floats, ("PT", "Eta", "Phi", "Charge"))
            out.append(Charged(collection, event, particle, *floats))
        return out

    def _neutral(self, events: range) -> list[Neutral]:
        out = []
        for collection in NEUTRAL[self.flow or ""]:
            read = _Collection(self.tree, collection, events)
            out.append(Neutral(collection, read.event("ET"), *map(read.floats, OF_NEUTRAL)))
        return out


class _Collection:
    """One collection's branches in some events."""

    def __init__(self, tree: RootTree, name: str, events: range) -> None:
        self.tree, self.name, self.events = tree, name, events

    def floats(self, branch: str) -> FloatArray:
        return self.tree.values(f"{self.name}.{branch}", self.events).astype(np.float64)

    def integers(self, branch: str) -> IntArray:
        return self.tree.values(f"{self.name}.{branch}", self.events).astype(np.int64)

    def event(self, branch: str) -> IntArray:
        """Return the event of each object, by a branch of which it has one value."""
        counts = self.tree.counts(f"{self.name}.{branch}", self.events)
        return np.repeat(np.arange(len(self.events)), counts)


class _Resolver:
    """Finds particles by their numbers, which are unique within an event."""

    def __init__(self, reader: Reader, event: IntArray, number: IntArray) -> None:
        self.reader, self.event = reader, event
        keys = event * (REFERENCE + 1) + number
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def of(self, read: _Collection, event: IntArray) -> IntArray:
        """Return the particle of each object of a collection with a `TRef`."""
        branch = f"{read.name}.Particle"
        references = read.tree.references(branch, read.events)
        if len(references) != len(event):
            raise DataError(f"{read.tree.file}: {branch}: {len(references)} for {len(event)} objects")
        return self(references, event, branch)

    def __call__(self, references: IntArray, event: IntArray, branch: str) -> IntArray:
        """Return the index of each particle that an object of an event refers to."""
        keys = event * (REFERENCE + 1) + references
        place = np.searchsorted(self._keys, keys)
        found = place < len(self._keys)
        found[found] = self._keys[place[found]] == keys[found]
        if not found.all():
            source, file = self.reader.source, self.reader.tree.file
            raise DataError(
                f"{file}: {np.sum(~found)} of {len(found)} references of {branch} are to particles that "
                f"{source} does not hold" + (_WITH_PILEUP if source == HARD else "")
            )
        return self._order[place]


_WITH_PILEUP = (
    f": events with pile-up need the particles of all collisions; let the card keep them (add Branch "
    f"PileUpMerger/stableParticles {MIXED} GenParticle)"
)

_KEPT_BY = {
    MIXED: f"add Branch PileUpMerger/stableParticles {MIXED} GenParticle",
    HARD: f"add Branch Delphes/allParticles {HARD} GenParticle",
    "Track": "add Branch TrackMerger/tracks Track Track",
    "Tower": "add Branch Calorimeter/towers Tower Tower",
}
"""What in the card's TreeWriter keeps a collection; the module's name is the card's."""


def _require(tree: RootTree, collection: str, branches: Sequence[str]) -> None:
    missing = tree.missing(f"{collection}.{branch}" for branch in branches)
    if not missing:
        return
    line = _KEPT_BY.get(collection)
    whole = len(missing) == len(branches)
    hint = f": the card does not keep {collection}" if whole else ""
    hint += f"; let its TreeWriter do so (like {line})" if whole and line else ""
    raise DataError(f"{tree.file}: no branch {', '.join(missing)}{hint}; needed: {_needed()}")


def _needed() -> str:
    return "Track, Tower with its Particles, and PileUpMix, or Particle where there is no pile-up"
