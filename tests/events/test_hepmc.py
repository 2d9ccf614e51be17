"""HepMC files as pyhepmc writes them, Les Houches files as Pythia writes them, and damaged ones."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.events.detector import simulate
from mlpf_hpo.events.importing import import_files
from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.simulation import SimulationReader
from mlpf_hpo.events.sources.hepmc import read_hepmc
from mlpf_hpo.events.sources.pdg_charge import pdg_charge
from mlpf_hpo.files import sha256
from mlpf_hpo.seeds import derive_seed
from tests.events.generated_files import UNITS, write_hepmc, write_lhe

pyhepmc = pytest.importorskip("pyhepmc", reason="the extra [hepmc] is not installed")

READER = SimulationReader("Z-tautau", 0.0, seed=3, pool_size=0, shower=False)


@pytest.fixture(autouse=True)
def quiet():
    pyhepmc.Setup.print_warnings = False  # that HepMC2 is outdated
    yield
    pyhepmc.Setup.print_warnings = True


@pytest.fixture
def collisions(make_particles) -> list[Particles]:
    """Three collisions with displaced vertices."""
    generator = np.random.default_rng(0)
    found = []
    for n in (7, 3, 12):
        pid = generator.choice([211, -211, 22, 130, 11, -13, 2112, 310], n)
        pt, eta = generator.uniform(1, 50, n), generator.uniform(-3, 3, n)
        phi = generator.uniform(-3, 3, n)
        own = make_particles(pid, pt, eta, phi)
        own.vertex[n // 2 :] = generator.normal(0, 0.01, 3)
        found.append(own)
    return found


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("form", ["hepmc2", "hepmc3"])
def test_particles_are_those_that_were_written(form, units, collisions, tmp_path) -> None:
    found = list(read_hepmc(write_hepmc(tmp_path / "a.hepmc", collisions, form, units)))
    assert len(found) == 3
    for ours, theirs in zip(found, collisions, strict=True):
        assert ours.pid.tolist() == theirs.pid.tolist()
        assert ours.charge.tolist() == theirs.charge.tolist()
        np.testing.assert_allclose(ours.momentum, theirs.momentum, rtol=1e-12)
        np.testing.assert_allclose(ours.vertex, theirs.vertex, rtol=1e-12, atol=1e-15)


def test_a_vertex_without_a_position_is_where_the_one_before_is(tmp_path) -> None:
    event = pyhepmc.GenEvent(pyhepmc.Units.GEV, pyhepmc.Units.MM)
    first, second = pyhepmc.GenVertex((1.0, 2.0, 30.0, 0.0)), pyhepmc.GenVertex()
    first.add_particle_in(pyhepmc.GenParticle((0, 0, 7, 7), 2212, 4))
    decayed = pyhepmc.GenParticle((0, 0, 1, 2), 111, 2)
    first.add_particle_out(decayed)
    second.add_particle_in(decayed)
    second.add_particle_out(pyhepmc.GenParticle((1, 0, 0, 1), 22, 1))
    for vertex in (first, second):
        event.add_vertex(vertex)
    with pyhepmc.open(str(tmp_path / "a.hepmc"), "w") as out:
        out.write(event)
    (found,) = read_hepmc(tmp_path / "a.hepmc")
    np.testing.assert_allclose(found.vertex, [[0.001, 0.002, 0.03]])


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_compression_is_found_by_content(compress, collisions, tmp_path) -> None:
    plain = write_hepmc(tmp_path / "a.hepmc", collisions)
    (tmp_path / "b").write_bytes(compress(plain.read_bytes()))
    found = [own.pid.tolist() for own in read_hepmc(tmp_path / "b")]
    assert found == [own.pid.tolist() for own in collisions]


def test_the_detector_sees_what_it_sees_of_the_particles(collisions, tmp_path) -> None:
    file = write_hepmc(tmp_path / "a.hepmc", collisions, "hepmc2", "MEV CM")
    seed = derive_seed(3, "detector", sha256(file))
    generators = [np.random.default_rng([seed, number]) for number in range(3)]
    expected = simulate(collisions, generators, range(3), "Z-tautau", 0.0)
    store = import_files([file], tmp_path / "store", READER, 1)
    assert store.manifest["settings"]["detector"]["card"].startswith("Delphes CMS")
    assert store.manifest["process"] == "Z-tautau"
    assert sum(len(event) for event in expected) > 10
    for i, event in enumerate(expected):
        for name in ("features", "targets", "candidates", "generator_jets", "generator_met"):
            # The mass of a jet of one particle is a small difference of large numbers.
            np.testing.assert_allclose(getattr(store[i], name), getattr(event, name), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("form", ["hepmc2", "hepmc3"])
def test_a_file_that_is_cut_anywhere_within_an_event_is_damaged(form, collisions, tmp_path) -> None:
    content = write_hepmc(tmp_path / "a.hepmc", collisions, form).read_bytes()
    begin = content.index(b"\nE ") + 3
    end = content.rindex(b"HepMC::")  # without this line all events are whole
    generator = np.random.default_rng(1)
    for cut in generator.integers(begin, end - 80, 25):
        (tmp_path / "cut.hepmc").write_bytes(content[:cut])
        with pytest.raises(DataError, match=r"cut\.hepmc: damaged after event \d: it has lines of \d events"):
            list(read_hepmc(tmp_path / "cut.hepmc"))
    (tmp_path / "cut.hepmc").write_bytes(content[:end])
    assert len(list(read_hepmc(tmp_path / "cut.hepmc"))) == 3


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_that_is_cut_or_changed_is_damaged(compress, collisions, tmp_path) -> None:
    """pyhepmc takes the error of the decompression for the file's end."""
    content = compress(write_hepmc(tmp_path / "a.hepmc", collisions * 20).read_bytes())
    half, bad = len(content) // 2, tmp_path / "bad.hepmc"
    for damaged in (content[:half], content[:half] + bytes(50) + content[half + 50 :]):
        bad.write_bytes(damaged)
        with pytest.raises(DataError, match=r"bad\.hepmc: (damaged after event \d|cannot be read)"):
            list(read_hepmc(bad))
        with pytest.raises(DataError, match=r"bad\.hepmc: (damaged after event \d|cannot be read)"):
            import_files([bad], tmp_path / "store", READER, workers=1)


def test_a_line_that_is_damaged_is_told(collisions, tmp_path) -> None:
    """Of a HepMC2 event with such a line, pyhepmc returns the particles before it as if they were all."""
    content = write_hepmc(tmp_path / "a.hepmc", collisions, "hepmc2").read_bytes()
    second = content.index(b"\nP ", content.index(b"\nE 1 ") + 1)
    place = content.index(b"\nP ", content.index(b"\nV ", second) + 1)
    (tmp_path / "a.hepmc").write_bytes(content[:place] + b"\nXYZ" + content[place + 4 :])
    with pytest.raises(DataError, match=r"a\.hepmc: damaged"):
        list(read_hepmc(tmp_path / "a.hepmc"))


def test_what_holds_no_events_is_told(collisions, tmp_path, capfd) -> None:
    content = write_hepmc(tmp_path / "a.hepmc", collisions).read_bytes()
    pyhepmc.Setup.print_warnings = True
    files = {
        "header": (content[: content.index(b"\nE ") + 1], "no events"),
        "nothing": (b"", "an empty file, no HepMC file of version 2 or 3"),
        "text": (b"hello\n" * 9, "a text file, no HepMC file of version 2 or 3"),
        "gzip": (gzip.compress(b"hello\n" * 9), "of another format, no HepMC file"),
        "cut": (gzip.compress(content)[:-300], "(damaged|cannot be read)"),
    }
    for name, (bad, message) in files.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(DataError, match=rf"{name}: .*{message}"):
            list(read_hepmc(tmp_path / name))
    hepevt = write_hepmc(tmp_path / "hepevt", collisions, "hepevt")
    with pytest.raises(DataError, match="a text file, no HepMC file"):  # which says no units
        list(read_hepmc(hepevt))
    assert "ERROR" not in "".join(capfd.readouterr())


def test_charges_are_those_of_pythias_table() -> None:
    pythia8mc = pytest.importorskip("pythia8mc", reason="the extra [generate] is not installed")
    table = pythia8mc.Pythia("", False).particleData
    code, codes = 1, []
    while code:
        codes.append(code)
        code = table.nextId(code)
    # Codes that Pythia gives to its own models, and two hadrons of a light antiquark with a heavy squark.
    own = {42, 56, 57, 59, 94, 1000522, 1000542}
    codes = [code for code in codes if code not in own and code // 100_000 != 99]
    assert len(codes) > 500
    charges = pdg_charge(np.array(codes))
    different = [code for code, charge in zip(codes, charges, strict=True) if charge != table.charge(code)]
    assert different == []
    antiparticles = pdg_charge(-np.array(codes))
    assert (antiparticles == -charges).all()


@pytest.fixture(scope="module")
def lhe(tmp_path_factory) -> Path:
    pytest.importorskip("pythia8mc", reason="the extra [generate] is not installed")
    return write_lhe(tmp_path_factory.mktemp("lhe") / "run.lhe")


def test_partons_are_refused_and_showered_on_request(lhe, tmp_path) -> None:
    with pytest.raises(DataError, match=r"run\.lhe: a Les Houches event file: .* --shower \(Pythia 8\)"):
        import_files([lhe], tmp_path / "store", READER, 1)
    assert not (tmp_path / "store").exists()
    reader = SimulationReader("ttbar", 0.0, seed=3, pool_size=0, shower=True)
    store = import_files([lhe], tmp_path / "store", reader, 1)
    again = import_files([lhe], tmp_path / "again", reader, 1)
    assert (len(store), store.digest) == (4, again.digest)
    assert min(store.element_counts) > 30  # ttbar events, not a handful of partons
    assert "pythia_version" in store.manifest["settings"]


def test_without_pyhepmc_there_is_the_command(collisions, tmp_path, monkeypatch) -> None:
    file = write_hepmc(tmp_path / "a.hepmc", collisions)
    monkeypatch.setitem(sys.modules, "pyhepmc", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[hepmc\]'"):
        list(read_hepmc(file))
