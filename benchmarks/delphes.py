"""How fast Delphes files are read, beside plain loops over their objects: ``python -m benchmarks.delphes``.

``made_up`` reads a file that it writes; ``real`` fetches one that Delphes wrote, out of the source archive of
coffea, compares every event with the loops, and times loops over objects, as one writes them first.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import command, report
from benchmarks.delphes_files import CHARGED, NEUTRAL, DelphesEvent, made_up, read_naively, write_delphes
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.sources.delphes import read_delphes

ARCHIVE, SAMPLE = "coffea==2026.9.0", "tests/samples/delphes.root"

BRANCHES = {
    "Particle": ("fUniqueID", "PID", "Status", "Charge", "E", "Px", "Py", "Pz"),
    "Track": ("PT", "Eta", "Phi", "P", "EtaOuter", "PhiOuter", "Charge", "Particle"),
    "Tower": ("ET", "Eta", "Phi", "E", "Eem", "Ehad", "Particles"),
    **dict.fromkeys(CHARGED["EFlow"], ("PT", "Eta", "Phi", "Charge", "Particle")),
    **dict.fromkeys(NEUTRAL["EFlow"], ("ET", "Eta", "Phi", "E")),
}
"""Branches of the real file that plain loops look at."""

LOOPED = 3
"""Events that loops go over object by object."""

TOLERANCE = 1e-5
"""Of float32, relative to 1 or to the value if that is larger."""


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of some work, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def plainly(path: Path) -> list[DelphesEvent]:
    """Return the events of a Delphes file, by uproot's own reading of every branch."""
    import uproot

    with uproot.open(path) as file:
        arrays = {
            (collection, branch): file["Delphes"][f"{collection}.{branch}"].array()
            for collection, branches in BRANCHES.items()
            for branch in branches
        }
    events: list[DelphesEvent] = []
    for i in range(len(arrays["Track", "PT"])):
        event: DelphesEvent = {collection: {} for collection in BRANCHES}
        for (collection, branch), array in arrays.items():
            values = array[i]
            if branch in ("Particle", "Particles"):
                values = values["ref" if branch == "Particle" else "refs"]
            event[collection][branch] = values.tolist() if branch == "Particles" else values.to_numpy()
        events.append(event)
    return events


def compare(found: list[Event], plain: list[tuple[Any, Any, Any]]) -> int:
    """Return the number of elements; all of them must agree."""
    elements = 0
    for event, by_loops in zip(found, plain, strict=True):
        assert event.candidates is not None
        for ours, theirs in zip((event.features, event.targets, event.candidates), by_loops, strict=True):
            apart = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1.0)
            assert apart.max(initial=0.0) < TOLERANCE, f"event {event.number}: {apart.max()}"
        elements += len(event)
    return elements


def objects(path: Path, n: int) -> list[dict[str, Any]]:
    """Return the first events as Awkward Array has them: records, an object each, as loops go over them."""
    import awkward
    import uproot

    with uproot.open(path) as file:
        columns = {
            collection: {
                branch: file["Delphes"][f"{collection}.{branch}"].array(entry_stop=n) for branch in branches
            }
            for collection, branches in BRANCHES.items()
        }
    for of in columns.values():
        for branch, field in (("Particle", "ref"), ("Particles", "refs")):
            if branch in of:
                of[branch] = of[branch][field]
    records = {collection: awkward.zip(of, depth_limit=2) for collection, of in columns.items()}
    return [{collection: of[i] for collection, of in records.items()} for i in range(n)]


def measure(path: Path, events: list[DelphesEvent]) -> dict[str, float]:
    """Compare this package's reading with plain loops, which are given what is in the file, and time both."""
    list(read_delphes(path, "any", None))  # what is done once in a process
    ours, found = seconds(lambda: list(read_delphes(path, "any", None)))
    loops, plain = seconds(lambda: [read_naively(event) for event in events])
    elements, n = compare(found, plain), len(events)
    rates = {"events_per_second": n / ours, "loops_over_numbers_events_per_second": n / loops}
    return {"elements_per_event": elements / n, **rates}


def measure_objects(path: Path) -> dict[str, float]:
    """Time loops over the objects of a real file, which take seconds an event, beside the whole file."""
    whole, found = seconds(lambda: list(read_delphes(path, "any", None)))
    events = objects(path, LOOPED)
    loops, _ = seconds(lambda: [read_naively(event) for event in events])
    ratio = (loops / LOOPED) / (whole / len(found))
    return {"loops_over_objects_seconds_per_event": loops / LOOPED, "loops_over_objects_ratio": ratio}


def fetch(folder: Path) -> Path:
    """Return the real file, out of the archive that pip downloads."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "coffea", ARCHIVE]
    subprocess.run([*pip, "--dest", str(folder)], check=True)
    (archive,) = folder.glob("coffea-*.tar.gz")
    with tarfile.open(archive) as packed:
        member = next(one for one in packed.getmembers() if one.name.endswith(SAMPLE))
        content = packed.extractfile(member)
        assert content is not None
        (folder / "delphes.root").write_bytes(content.read())
    return folder / "delphes.root"


def main() -> None:
    """Measure and print."""
    options = command(__doc__, "a few small events", ("made_up", "real"))
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, generator = Path(name), np.random.default_rng(1)
        if "made_up" in options.parts:
            n, particles = (3, 100) if options.quick else (25, 2000)
            events = [made_up(particles, generator) for _ in range(n)]
            path = write_delphes(folder / "made_up.root", events)
            numbers |= {f"made_up_{key}": value for key, value in measure(path, events).items()}
        if "real" in options.parts:
            path = fetch(folder)
            of_real = measure(path, plainly(path)) | measure_objects(path)
            numbers |= {f"real_{key}": value for key, value in of_real.items()}
    report(numbers, options.json)


if __name__ == "__main__":
    main()
