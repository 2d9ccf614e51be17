"""Files in the layout of Delphes, written by uproot, and their reading in plain loops.

uproot writes no branches of references, nor of arrays in lists. In a Delphes file those hold their bytes as
ROOT serialises them; here the same bytes stand in branches of bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Values = dict[str, Any]
DelphesEvent = dict[str, Values]
"""Collection -> branch -> a value an object; lists of numbers for `Particles`."""

PROCESS = 0x01000000
"""What ROOT adds to the numbers of objects, but not to references."""

KINDS = {"fUniqueID": np.uint32, "PID": np.int32, "Status": np.int32, "Charge": np.int32}
"""Types of the branches that do not hold floats."""

PDG = {211: 1, -211: -1, 22: 0, 130: 0, 11: -1, -11: 1, 13: -1, -13: 1, 12: 0, 3122: 0, 310: 0}
MASSES = {211: 0.13957, 11: 0.000511, 13: 0.10566, 130: 0.49761, 3122: 1.11568, 310: 0.49761}
CHARGED = {"EFlow": ("EFlowTrack",), "PF": ("PFChargedHadron", "PFElectron", "PFMuon")}
NEUTRAL = {"EFlow": ("EFlowPhoton", "EFlowNeutralHadron"), "PF": ("PFPhoton", "PFNeutralHadron")}


def made_up(
    n_particles: int, generator: np.random.Generator, source: str = "Particle", flow: str = "EFlow"
) -> DelphesEvent:
    """Return an event with about half as many tracks and towers, candidates, decayed particles, sentinels."""
    pid = generator.choice(list(PDG), n_particles)
    pt, eta = generator.lognormal(0.5, 1.0, n_particles), generator.uniform(-4.5, 4.5, n_particles)
    phi = generator.uniform(-math.pi, math.pi, n_particles)
    mass = np.array([MASSES.get(abs(int(code)), 0.0) for code in pid])
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    first = int(generator.integers(1, 5000))
    particles = {
        "fUniqueID": PROCESS + first + np.arange(n_particles),
        "PID": pid,
        "Status": np.where(generator.random(n_particles) < 0.8, 1, 2),
        "Charge": np.where(generator.random(n_particles) < 0.02, -999, [PDG[int(code)] for code in pid]),
        "E": np.sqrt(px**2 + py**2 + pz**2 + mass**2),
        "Px": px,
        "Py": py,
        "Pz": pz,
    }
    charged = np.flatnonzero((particles["Charge"] != 0) & (np.abs(eta) < 2.5) & (particles["Status"] == 1))
    tracked = generator.permutation(charged)[: max(1, len(charged) // 2)]
    momentum = pt[tracked] * np.cosh(eta[tracked])
    tracks = {
        "PT": pt[tracked],
        "Eta": eta[tracked],
        "Phi": phi[tracked],
        "P": momentum,
        "EtaOuter": eta[tracked] + 0.01,
        "PhiOuter": phi[tracked] + 0.1,
        "Charge": particles["Charge"][tracked],
        "Particle": first + tracked,
    }
    event = {
        source: particles,
        "Track": tracks,
        "Tower": _towers(n_particles // 3, first, n_particles, generator),
    }
    return event | _charged(tracks, pid[tracked], flow, generator) | _neutral(event["Tower"], flow, generator)


def _towers(n: int, first: int, n_particles: int, generator: np.random.Generator) -> Values:
    em, had = generator.exponential(3.0, n), generator.exponential(3.0, n)
    kind = generator.integers(0, 4, n)  # ECAL, HCAL, both, none: as Delphes leaves them
    em, had = np.where(kind % 2 == 0, em, 0.0), np.where((kind == 1) | (kind == 2), had, 0.0)
    eta, phi = generator.uniform(-4.5, 4.5, n), generator.uniform(-math.pi, math.pi, n)
    energy = em + had + np.where(kind == 3, 0.7, 0.0)
    edges = np.stack([eta - 0.05, eta + 0.05, phi - 0.04, phi + 0.04], axis=1)
    return {
        "ET": energy / np.cosh(eta),
        "Eta": eta,
        "Phi": phi,
        "E": energy,
        "Eem": em,
        "Ehad": had,
        "Edges": edges,
        "Particles": [
            (first + generator.integers(0, n_particles, generator.integers(0, 5))).tolist() for _ in range(n)
        ],
    }


def _charged(tracks: Values, pid: Any, flow: str, generator: np.random.Generator) -> DelphesEvent:
    scale = np.where(generator.random(len(pid)) < 0.1, 0.0, generator.uniform(0.8, 1.2, len(pid)))
    kind = np.array([{11: 1, 13: 2}.get(abs(int(code)), 0) for code in pid])
    out = {}
    for i, name in enumerate(CHARGED[flow]):
        own = np.full(len(pid), True) if flow == "EFlow" else kind == i
        out[name] = {
            "PT": (tracks["PT"] * scale)[own],
            "Eta": np.where(scale == 0, 999.9, tracks["Eta"])[own],
            **{branch: tracks[branch][own] for branch in ("Phi", "Charge", "Particle")},
        }
    return out


def _neutral(towers: Values, flow: str, generator: np.random.Generator) -> DelphesEvent:
    out = {}
    for name, of in zip(NEUTRAL[flow], ("Eem", "Ehad"), strict=True):
        own = generator.permutation(np.flatnonzero(towers[of] > 2.0))
        energy = towers[of][own]
        eta, phi = towers["Eta"][own], towers["Phi"][own]
        out[name] = {"ET": energy / np.cosh(eta), "Eta": eta, "Phi": phi, "E": energy}
    return out


def write_delphes(path: Path, events: Sequence[DelphesEvent], without: Iterable[str] = ()) -> Path:
    """Write events as the tree `Delphes`, but for some branches."""
    import awkward
    import uproot

    columns: dict[str, Any] = {}
    for collection, branches in events[0].items():
        for branch in branches:
            name, values = f"{collection}.{branch}", [event[collection][branch] for event in events]
            if branch == "Particle":
                values = [np.frombuffer(b"".join(map(reference, one)), np.uint8) for one in values]
            elif branch == "Particles":
                values = [np.frombuffer(b"".join(map(references, one)), np.uint8) for one in values]
            elif branch == "Edges":
                values = [one.astype(">f4").view(np.uint8).reshape(-1) for one in values]
            else:
                kind = KINDS.get(branch, np.float32)
                values = [np.asarray(one, dtype=kind) for one in values]
            counts = [len(one) for one in values]
            columns[name] = awkward.unflatten(np.concatenate(values), counts)
    columns = {name: column for name, column in columns.items() if name not in set(without)}
    with uproot.recreate(path) as file:
        types = {name: column.type.content for name, column in columns.items()}
        tree = file.mktree("Delphes", types, counter_name=lambda name: name.replace(".", "_") + "_size")
        tree.extend(columns)
    return path


def reference(number: int) -> bytes:
    """Return a `TRef` as ROOT writes it."""
    return struct.pack(">HIHI", 1, number, 0x0300, 0)


def references(numbers: Sequence[int]) -> bytes:
    """Return a `TRefArray` as ROOT writes it."""
    content = struct.pack(">HHIIBiiH", 1, 1, 0, 0x03000000, 0, len(numbers), 0, 0)
    content += struct.pack(f">{len(numbers)}i", *numbers)
    return struct.pack(">I", 0x40000000 + len(content)) + content


def read_naively(event: DelphesEvent) -> tuple[Any, Any, Any]:
    """Return features, targets and candidates of an event, in plain loops over objects."""
    source = "PileUpMix" if "PileUpMix" in event else "Particle"
    particles = {}
    for row in _rows(event[source]):
        particles[int(row["fUniqueID"]) & 0xFFFFFF] = row
    tracks, towers = list(_rows(event["Track"])), list(_rows(event["Tower"]))
    tracked = {int(track["Particle"]) & 0xFFFFFF for track in tracks}
    features, targets, candidates = [], [], []
    flow = "EFlow" if "EFlowPhoton" in event else "PF"
    charged = [row for name in CHARGED[flow] for row in _rows(event[name])]
    neutral = [
        (pid, row) for pid, name in zip((3, 2), NEUTRAL[flow], strict=True) for row in _rows(event[name])
    ]
    for track in tracks:
        own = particles[int(track["Particle"]) & 0xFFFFFF]
        code = abs(int(own["PID"]))
        angles = (math.sin(track["Phi"]), math.cos(track["Phi"]))
        outer = (track["EtaOuter"], math.sin(track["PhiOuter"]), math.cos(track["PhiOuter"]))
        kind = (float(code == 13), float(code == 11))
        features.append((2, track["PT"], track["Eta"], *angles, track["P"], *outer, track["Charge"], *kind))
        targets.append(_target(_class(own), _charge(own), own["Px"], own["Py"], own["Pz"], own["E"]))
        found = (0.0,) * 7
        for row in charged:
            if int(row["Particle"]) & 0xFFFFFF == int(track["Particle"]) & 0xFFFFFF and row["PT"] > 0:
                pid = {11: 4, 13: 5}.get(code, 1)
                mass = {4: 0.000511, 5: 0.10566}.get(pid, 0.13957)
                energy = math.sqrt((row["PT"] * math.cosh(row["Eta"])) ** 2 + mass**2)
                where = (row["Eta"], math.sin(row["Phi"]), math.cos(row["Phi"]))
                found = (pid, row["Charge"], row["PT"], *where, energy)
        candidates.append(found)
    for tower in towers:
        where = (tower["Eta"], math.sin(tower["Phi"]), math.cos(tower["Phi"]))
        features.append((1, tower["ET"], *where, tower["E"], tower["Eem"], tower["Ehad"], 0, 0, 0, 0))
        own = {int(number) & 0xFFFFFF for number in tower["Particles"]} - tracked
        targets.append(_tower_target([particles[number] for number in own]))
        best = (0.0,) * 7
        for pid, row in neutral:
            if row["Eta"] == tower["Eta"] and row["Phi"] == tower["Phi"] and row["E"] > best[6]:
                best = (pid, 0.0, row["ET"], *where, row["E"])
        candidates.append(best)
    return tuple(np.array(rows, dtype=np.float64) for rows in (features, targets, candidates))  # type: ignore[return-value]


def _rows(values: Any) -> Iterable[Mapping[str, Any]]:
    """Yield the objects of a collection, floats as a file has them; records are objects already."""
    if not isinstance(values, dict):
        yield from values
        return
    kept = {
        name: column
        if name in (*KINDS, "Particle", "Particles")
        else np.asarray(column, np.float32).astype(np.float64)
        for name, column in values.items()
    }
    for row in zip(*kept.values(), strict=True):
        yield dict(zip(kept, row, strict=True))


def _class(particle: Mapping[str, Any]) -> int:
    code = abs(int(particle["PID"]))
    return {11: 4, 13: 5, 22: 3}.get(code, 1 if _charge(particle) else 2)


def _charge(particle: Mapping[str, Any]) -> float:
    return 0.0 if particle["Charge"] == -999 else float(particle["Charge"])


def _tower_target(own: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    sums = dict.fromkeys((2, 1, 3, 4), 0.0)
    for particle in own:
        if _class(particle) in sums:
            sums[_class(particle)] += particle["E"]
    kind = max(sums, key=lambda pid: sums[pid])
    if not sums[kind]:
        return (0.0,) * 7
    px, py, pz, energy = (sum(particle[name] for particle in own) for name in ("Px", "Py", "Pz", "E"))
    leading = max((one for one in own if _class(one) == kind), key=lambda one: one["E"])
    if kind == 1 and abs(math.asinh(pz / math.hypot(px, py))) > 2.5:
        kind = 2
    if kind == 2 and energy < 9:
        return (0.0,) * 7
    return _target(kind, _charge(leading) if kind in (1, 4) else 0.0, px, py, pz, energy)


def _target(pid: int, charge: float, px: float, py: float, pz: float, energy: float) -> tuple[float, ...]:
    pt, phi = math.hypot(px, py), math.atan2(py, px)
    return (pid, charge, pt, math.asinh(pz / pt), math.sin(phi), math.cos(phi), energy)
