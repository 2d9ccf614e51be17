"""Delphes' ROOT files: against plain loops, in files that uproot wrote in their layout."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.delphes_files import DelphesEvent, made_up, read_naively, write_delphes
from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.events.granularity import GRANULARITY
from mlpf_hpo.events.importing import import_files
from mlpf_hpo.events.jets import generator_jets, visible
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.sources import delphes
from mlpf_hpo.events.sources.delphes import DelphesReader, delphes_files, read_delphes
from mlpf_hpo.events.store import EventStore

pytest.importorskip("uproot", reason="the extra [root] is not installed")


def events_of(n: int, source: str = "Particle", flow: str = "EFlow", seed: int = 0) -> list[DelphesEvent]:
    generator = np.random.default_rng(seed)
    return [made_up(int(generator.integers(20, 120)), generator, source, flow) for _ in range(n)]


def read(path: Path, pileup: float | None = None) -> list:
    return list(read_delphes(path, "ttbar", pileup))


@pytest.mark.parametrize(("source", "flow"), [("Particle", "EFlow"), ("PileUpMix", "PF")])
def test_events_are_those_of_plain_loops(source, flow, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(delphes, "CHUNK", 4)
    written = events_of(10, source, flow)
    found = read(write_delphes(tmp_path / "a.root", written), pileup=3.0)
    assert [event.number for event in found] == list(range(10))
    assert {(event.process, event.pileup) for event in found} == {("ttbar", 3.0)}
    for event, by_hand in zip(found, map(read_naively, written), strict=True):
        for ours, theirs in zip((event.features, event.targets, event.candidates), by_hand, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)
    candidates = np.concatenate([event.candidates for event in found])
    assert set(candidates[:, 0]) == {0, 1, 2, 3, 4, 5}
    assert np.isfinite(candidates).all()  # candidates that were scaled to nothing have an eta of 999.9


def test_generator_jets_are_those_of_the_stable_particles(tmp_path) -> None:
    written = events_of(3)
    for event in written:
        for name in ("E", "Px", "Py", "Pz"):
            event["Particle"][name] = event["Particle"][name] * 10
    for event, found in zip(written, read(write_delphes(tmp_path / "a.root", written)), strict=True):
        own = event["Particle"]
        stable = own["Status"] == 1
        momentum = np.column_stack([own[name] for name in ("Px", "Py", "Pz", "E")]).astype(np.float32)[stable]
        particles = Particles(
            own["PID"][stable], own["Charge"][stable], momentum, np.zeros((stable.sum(), 3))
        )
        chosen = momentum[visible(particles)].astype(np.float64)
        (jets,) = generator_jets(chosen, np.zeros(len(chosen), dtype=np.int64), 1)
        assert len(jets) > 0
        np.testing.assert_allclose(found.generator_jets, jets, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.generator_met, -chosen[:, :2].sum(axis=0), rtol=1e-3, atol=1e-3)


def test_photons_and_neutral_hadrons_at_one_place_have_their_own_towers(tmp_path) -> None:
    """Cards that do not smear the centres put a tower of each calorimeter at one place."""
    (event,) = events_of(1)
    towers = event["Tower"]
    for name, values in (
        ("Eem", (5.0, 0.0)),
        ("Ehad", (0.0, 6.0)),
        ("E", (5.0, 6.0)),
        ("Eta", (1, 1)),
        ("Phi", (1, 1)),
    ):
        towers[name][:2] = values
    for name, energy in (("EFlowPhoton", 5.0), ("EFlowNeutralHadron", 6.0)):
        place = {"ET": 1.0, "Eta": 1.0, "Phi": 1.0, "E": energy}
        event[name] = {branch: np.array([value]) for branch, value in place.items()}
    (found,) = read(write_delphes(tmp_path / "a.root", [event]))
    first = len(event["Track"]["PT"])
    assert found.candidates[first : first + 2, [0, 6]].tolist() == [[3, 5], [2, 6]]


@pytest.mark.parametrize(
    "branch", ["Tower.Particles", "Track.Particle", "Particle.fUniqueID", "EFlowPhoton.ET"]
)
def test_a_branch_that_is_missing_is_named(branch, tmp_path) -> None:
    path = write_delphes(tmp_path / "a.root", events_of(1), without=[branch])
    with pytest.raises(
        DataError, match=rf"a\.root: no branch {branch}; needed: Track, Tower with its Particles"
    ):
        read(path)


def test_a_collection_that_the_card_does_not_keep_comes_with_its_line(tmp_path) -> None:
    (event,) = events_of(1)
    del event["Tower"]
    with pytest.raises(
        DataError, match=r"no branch Tower.ET, .*: the card does not keep Tower; .*add Branch"
    ):
        read(write_delphes(tmp_path / "a.root", [event]))


def test_pile_up_without_its_particles_is_refused(tmp_path) -> None:
    written = events_of(2)
    tracks = written[1]["Track"]
    tracks["Particle"] = np.append(tracks["Particle"][:-1], 9_000_000)
    message = r"1 of \d+ references of Track.Particle .* Particle does not hold.*PileUpMerger/stableParticles"
    with pytest.raises(DataError, match=message):
        read(write_delphes(tmp_path / "a.root", written))


def test_candidates_of_other_towers_are_refused(tmp_path) -> None:
    (event,) = events_of(1)
    event["EFlowPhoton"]["Eta"] = event["EFlowPhoton"]["Eta"] + 0.01
    with pytest.raises(DataError, match=r"EFlowPhoton: .* candidates are at no Tower"):
        read(write_delphes(tmp_path / "a.root", [event]))


def test_without_candidates_there_are_none(tmp_path) -> None:
    (event,) = events_of(1)
    for name in ("EFlowTrack", "EFlowPhoton", "EFlowNeutralHadron"):
        del event[name]
    (found,) = read(write_delphes(tmp_path / "a.root", [event]))
    assert found.candidates is None


def test_what_is_no_delphes_file_is_told(tmp_path) -> None:
    import uproot

    path = write_delphes(tmp_path / "a.root", events_of(2))
    content = path.read_bytes()
    (tmp_path / "cut.root").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.root").write_text("no ROOT file")
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("delphes", {"x": "int32"}).extend({"x": np.arange(3)})
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("Delphes", {f"Track.{name}": "var * float32" for name in ("PT", "Eta")})
    for name, error, message in (
        ("cut", DataError, "damaged"),
        ("text", DataError, "a text file, not a ROOT file"),
        ("other", DataError, r"no tree Delphes \(did you mean delphes\?\); it holds delphes"),
        ("empty", DataError, "no branch Particle.fUniqueID"),
        ("nowhere", MissingInputError, "no such file"),
    ):
        with pytest.raises(error, match=rf"{name}\.root: .*{message}"):
            read(tmp_path / f"{name}.root")


def test_a_damaged_basket_is_an_error_with_its_branch(tmp_path) -> None:
    """uproot inflates what it can and raises errors of its own for the rest."""
    path = write_delphes(tmp_path / "a.root", events_of(30))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"a\.root"):
        read(path)


def test_files_become_a_store_and_go_on_after_a_stop(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(3):
        write_delphes(tmp_path / "in" / f"{i}.root", events_of(4, seed=i))
    files = delphes_files([tmp_path / "in"])
    reader = DelphesReader("Z-tautau", 0.0)

    def stop(done: int, *_: object) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files(files, tmp_path / "store", reader, 1, progress=stop)
    parts = {file: file.stat().st_mtime_ns for file in (tmp_path / ".store.parts").glob("*/manifest.json")}
    assert len(parts) == 2
    notes: list[str] = []
    store = import_files(files, tmp_path / "store", reader, 1, progress=lambda *done: notes.append(done[2]))
    assert notes[:2] == ["0 events/s"] * 2  # taken up, not read again
    assert len(store) == 12
    assert [store[i].number for i in range(12)] == list(range(12))
    settings = store.manifest["settings"]
    assert (store.manifest["process"], settings["source"]) == ("Z-tautau", "ROOT files of Delphes")
    assert settings[GRANULARITY] == {"ECAL": [0.1, 0.08], "HCAL": [0.1, 0.08]}
    EventStore.open(tmp_path / "store").verify()
    with pytest.raises(ConfigurationError, match="--process 'two words': one word is needed"):
        DelphesReader("two words")


def test_without_uproot_there_is_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[root\]'"):
        read(tmp_path / "a.root")
