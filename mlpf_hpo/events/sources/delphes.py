"""Events of Delphes: its ROOT files, whatever the detector card.

Targets and order of the elements are those of the events that this package simulates itself: tracks, then
towers; a track's target is the particle that it refers to, a tower's the sum of its particles without a
track.
Candidates are those of the energy flow of Delphes (EFlow... or PF..., as cards name them), each at the track
of the same particle, or at the tower of exactly the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import DataError
from mlpf_hpo.events.granularity import GRANULARITY, barrel_granularity
from mlpf_hpo.events.importing import check_process_name, files_in
from mlpf_hpo.events.jets import generator_jets, generator_met, visible
from mlpf_hpo.events.schema import N_FEATURES, TOWER, TRACK, Event
from mlpf_hpo.events.sources.delphes_candidates import tower_candidates, track_candidates
from mlpf_hpo.events.sources.delphes_objects import Objects, Reader
from mlpf_hpo.events.sources.root_tree import RootTree
from mlpf_hpo.events.targets import tower_targets, track_targets

TREE = "Delphes"

EDGES = ("Tower.Edges[4]", "Tower.Edges")
"""Names of the branch with the edges of towers: ROOT's has the length in it."""

CHUNK = 25
"""Events that are read together: all that is in memory of a file."""


def read_delphes(file: Path, process: str, pileup: float | None) -> Iterator[Event]:
    """Yield the events of a Delphes file, numbered from 0.

    Parameters
    ----------
    file : path
        A ROOT file with the tree `Delphes`.
    process : str
        What the events are of; the file does not say.
    pileup : float or None
        Mean number of overlaid collisions, recorded with the events.

    Raises
    ------
    ConfigurationError
        If uproot or FastJet is not installed.
    MissingInputError, DataError
        If the file is not there, is damaged, or lacks a branch that the events cannot be made without; the
        message names it.
    """
    with RootTree(file, TREE) as tree:
        reader = Reader.of(tree)
        if not len(tree):
            raise DataError(f"{file}: no events")
        for start in range(0, len(tree), CHUNK):
            events = range(start, min(start + CHUNK, len(tree)))
            yield from _events(reader, events, process, pileup)


def _events(reader: Reader, events: range, process: str, pileup: float | None) -> list[Event]:
    """Return some events, all made together."""
    objects, n = reader.read(events), len(events)
    tables = {"features": _features(objects), "targets": _targets(objects)}
    if objects.charged:
        tables["candidates"] = np.concatenate([track_candidates(objects), tower_candidates(objects)])
    of = np.concatenate([objects.tracks.event, objects.towers.event])
    order = np.argsort(of, kind="stable")  # by event; within it tracks, towers
    ends = np.cumsum(np.bincount(of, minlength=n))[:-1]
    rows = {name: np.split(table[order].astype(np.float32), ends) for name, table in tables.items()}
    stable = objects.stable & visible(objects.particles)
    truth = objects.particles.momentum[stable], objects.particle_event[stable], n
    jets, met = generator_jets(*truth), generator_met(*truth)
    candidates = rows.get("candidates", [None] * n)
    return [
        Event(
            rows["features"][i], rows["targets"][i], candidates[i], number, process, pileup, jets[i], met[i]
        )
        for i, number in enumerate(events)
    ]


def _features(objects: Objects) -> FloatArray:
    """Return the features of all tracks, then of all towers, [N, 12]."""
    tracks, towers = objects.tracks, objects.towers
    code = np.abs(objects.particles.pid[tracks.particle])
    rows = np.zeros((len(tracks.event) + len(towers.event), N_FEATURES))
    of_tracks, of_towers = rows[: len(tracks.event)], rows[len(tracks.event) :]
    outer = np.sin(tracks.outer_phi), np.cos(tracks.outer_phi)
    columns = (tracks.pt, tracks.eta, np.sin(tracks.phi), np.cos(tracks.phi), tracks.momentum)
    more = (tracks.outer_eta, *outer, tracks.charge, code == 13, code == 11)
    of_tracks[:, 0], of_towers[:, 0] = TRACK, TOWER
    of_tracks[:, 1:] = np.column_stack([*columns, *more])
    of_towers[:, 1:8] = np.column_stack(
        [towers.et, towers.eta, np.sin(towers.phi), np.cos(towers.phi), towers.energy, towers.em, towers.had]
    )
    return rows


def _targets(objects: Objects) -> FloatArray:
    """Return the targets of all tracks, then of all towers, [N, 7]."""
    particles, towers = objects.particles, objects.towers
    untracked = np.ones(len(particles), dtype=bool)
    untracked[objects.tracks.particle] = False
    asked = untracked[towers.particle]
    linked, tower = towers.particle[asked], towers.tower[asked]
    of_towers = tower_targets(particles, linked, tower, len(towers.event))
    return np.concatenate([track_targets(particles, objects.tracks.particle), of_towers])


def tower_widths(tree: RootTree) -> dict[str, list[float]] | None:
    """Return the granularity of a file's towers; None if it does not hold their edges, or no tower."""
    edges, n = next((name for name in EDGES if tree.has(name)), None), range(min(CHUNK, len(tree)))
    if edges is None:
        return None
    of = tree.rows(edges, n, 4).astype(np.float64)
    em, had = (tree.values(f"Tower.{name}", n) for name in ("Eem", "Ehad"))
    return barrel_granularity(of, em > had)


def delphes_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, and those in folders in the order of the numbers in their names, see `files_in`."""
    return files_in(paths, ("*.root",), "ROOT files of Delphes")


@dataclass(frozen=True)
class DelphesReader:
    """How Delphes files are read; the arguments of `read_delphes`; a `FileReader`.

    Raises
    ------
    ConfigurationError
        If the process is no word.
    """

    process: str
    pileup: float | None = None

    def __post_init__(self) -> None:
        check_process_name(self.process)

    def read(self, file: Path) -> Iterator[Event]:
        """Yield the events of a file, see `read_delphes`."""
        return read_delphes(file, self.process, self.pileup)

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `read_delphes`."""
        return asdict(self)

    def about(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return what the manifest says of the files: their format, and the card's granularity."""
        with RootTree(files[0], TREE) as tree:
            widths = tower_widths(tree)
        return {"source": "ROOT files of Delphes", "target_charge": "electric", GRANULARITY: widths}
