"""The store: what goes in comes out, damage is noticed, and nothing is half written."""

from __future__ import annotations

import bz2
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.events.arrays import GrowingArray
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import ARRAYS, EventStore, write_store

FILES = [f"{name}.npy" for name in ARRAYS]


@pytest.fixture
def store(make_event, tmp_path) -> EventStore:
    events = [make_event(n, number=10 + i, jets=i) for i, n in enumerate((5, 1, 7))]
    return write_store(tmp_path / "store", events, {"seed": 3})


def equal(one: Event, other: Event) -> bool:
    arrays = ("features", "targets", "candidates", "generator_jets", "generator_met")
    plain = ("number", "process", "pileup")
    return all(np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays) and all(
        getattr(one, p) == getattr(other, p) for p in plain
    )


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=6),
    candidates=st.booleans(),
)
def test_round_trip(make_event, tmp_path, sizes: list[tuple[int, int]], candidates: bool) -> None:
    events = [make_event(n, number, jets, candidates) for number, (n, jets) in enumerate(sizes)]
    store = write_store(tmp_path / "store", iter(events), {})
    assert len(store) == len(events)
    assert store.element_counts.tolist() == [n for n, _ in sizes]
    assert store.manifest["n_elements"] == sum(n for n, _ in sizes)
    assert all(map(equal, store, events))
    assert all((event.candidates is not None) == candidates for event in store)
    store.verify()


def test_events_by_number(store) -> None:
    assert [event.number for event in store] == [10, 11, 12]
    assert store[-1].number == 12
    assert len(store[1]) == 1
    for index in (3, -4):
        with pytest.raises(IndexError):
            store[index]


def test_events_are_views_that_never_change_the_files(store) -> None:
    event = store[0]
    assert np.shares_memory(event.features, store[0].features)
    event.features[:] = 99.0
    store.verify()
    assert not (EventStore.open(store.path)[0].features == 99.0).any()


def test_files_are_plain_numpy_arrays(store, make_event) -> None:
    for name, (dtype, columns) in ARRAYS.items():
        array = np.load(store.path / f"{name}.npy", allow_pickle=False)
        assert array.dtype == dtype
        assert array.shape[1:] == columns
    assert np.load(store.path / "offsets.npy").tolist() == [0, 5, 6, 13]
    assert np.array_equal(np.load(store.path / "features.npy")[5:6], make_event(1, 11, 1).features)


def test_a_growing_array_is_what_numpy_would_have_saved(tmp_path) -> None:
    whole = np.arange(3000.0).reshape(1000, 3)
    with GrowingArray(tmp_path / "grown.npy", np.float64, (3,)) as array:
        for part in np.split(whole, [0, 1, 400]):
            array.append(part)
        with pytest.raises(DataError, match=r"\(2,\)"):
            array.append(np.zeros((5, 2)))
    np.save(tmp_path / "saved.npy", whole)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_the_digest_is_that_of_content_and_settings(make_event, tmp_path) -> None:
    def digest(name: str, size: int, made: dict) -> str:
        return write_store(tmp_path / name, [make_event(size)], made).digest

    first = digest("a", 5, {"seed": 1})
    assert digest("elsewhere", 5, {"seed": 1}) == first
    assert digest("b", 6, {"seed": 1}) != first
    assert digest("c", 5, {"seed": 2}) != first
    assert EventStore.open(tmp_path / "a").digest == first


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_noticed(store, name: str) -> None:
    file = store.path / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DataError, match=rf"{name}.*dvc repro -f -s events"):
        EventStore.open(store.path).verify()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "grown", "gone", "header"])
def test_a_damaged_file_is_noticed_on_opening(store, name: str, damage: str) -> None:
    file = store.path / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        broken = {"truncated": content[:-1], "grown": content + b"\0", "header": b"\0" + content[1:]}
        file.write_bytes(broken[damage])
    reason = "" if damage == "header" else r" \d+ bytes where \d+ were written"
    with pytest.raises(DataError, match=rf"{name}: damaged:{reason}.*dvc repro -f -s events"):
        EventStore.open(store.path)


def test_every_flipped_byte_of_a_header_is_noticed(store) -> None:
    file = store.path / "targets.npy"
    content = file.read_bytes()
    for position in range(len(content) - store[0].targets.itemsize * 13 * 7):
        broken = bytearray(content)
        broken[position] ^= 1
        file.write_bytes(bytes(broken))
        with pytest.raises(DataError, match=r"targets\.npy"):
            EventStore.open(store.path).verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("ttbar", "qcd", 1),
        lambda text: text.replace('"n_events": 3', '"n_events": 2'),
        lambda text: text.replace('"seed": 3', '"seed": 4'),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: "\x00" + text[1:],
    ],
)
def test_a_damaged_manifest_is_noticed(store, change) -> None:
    file = store.path / "manifest.json"
    file.write_text(change(file.read_text()))
    with pytest.raises(DataError, match=r"manifest\.json: damaged"):
        EventStore.open(store.path)


def test_another_schema_version_is_refused(store) -> None:
    file = store.path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 99}))
    with pytest.raises(DataError, match="schema version 99"):
        EventStore.open(store.path)


@pytest.mark.parametrize(("name", "value"), [("offsets", 9), ("offsets", -1), ("jet_offsets", 4)])
def test_offsets_that_lead_astray_are_noticed_with_their_event(store, name: str, value: int) -> None:
    offsets = np.load(store.path / f"{name}.npy")
    offsets[1] = value
    np.save(store.path / f"{name}.npy", offsets)
    opened = EventStore.open(store.path)
    with pytest.raises(DataError, match=rf"\b{name}\.npy: damaged"):
        list(opened)
    assert equal(opened[2], store[2])


@pytest.mark.parametrize("position", [0, -1])
def test_offsets_that_do_not_span_the_store_are_noticed_on_opening(store, position: int) -> None:
    offsets = np.load(store.path / "offsets.npy")
    offsets[position] += 1
    np.save(store.path / "offsets.npy", offsets)
    with pytest.raises(DataError, match=r"offsets\.npy: damaged"):
        EventStore.open(store.path)


def test_a_store_without_generator_jets_says_so(make_event, tmp_path) -> None:
    event = dataclasses.replace(make_event(3), generator_jets=None, generator_met=None)
    store = write_store(tmp_path / "store", [event, event], {})
    assert not store.manifest["has_generator_jets"]
    assert [(e.generator_jets, e.generator_met) for e in store] == [(None, None)] * 2
    with pytest.raises(DataError, match="several kinds"):
        write_store(tmp_path / "store", [event, make_event(3)], {})


def test_no_store_says_which_stage_makes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no event store; the stage `events` makes it"):
        EventStore.open(tmp_path / "nowhere")


@pytest.mark.parametrize("asked", [".", "train"])  # the folder itself, or one that should be in it
def test_files_of_others_are_told_with_how_they_become_a_store(tmp_path: Path, asked: str) -> None:
    (tmp_path / "tev14_pythia8_ttbar_0_0.pkl.bz2").write_bytes(bz2.compress(b"x"))
    wanted = r"holds tev14_\S+ \(a bz2-compressed file\): .*`mlpf-hpo events import-zenodo \S+ --out STORE`"
    with pytest.raises(MissingInputError, match=wanted):
        EventStore.open(tmp_path / asked)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"root", "a ROOT file"), (b"\x89HDF\r\n\x1a\n", "an HDF5 file"), (b"", "an empty file")],
)
def test_a_file_in_place_of_a_store_is_named_by_its_kind(tmp_path: Path, head: bytes, kind: str) -> None:
    file = tmp_path / "events.root"
    file.write_bytes(head + bytes(100 * bool(head)))
    with pytest.raises(DataError, match=rf"events\.root: {kind}, not an event store, which is a folder"):
        EventStore.open(file)


@pytest.mark.parametrize(
    "broken", ["several processes", "candidates", "not finite", "lengths", "columns", "none"]
)
def test_what_cannot_be_stored_leaves_what_was_there(store, make_event, broken: str) -> None:
    good = make_event(4)
    fields = dict(vars(good))
    if broken == "none":
        events = []
    elif broken == "several processes":
        events = [good, Event(**{**fields, "process": "qcd"})]
    elif broken == "candidates":
        events = [good, Event(**{**fields, "candidates": None})]
    elif broken == "not finite":
        events = [good, Event(**{**fields, "targets": np.full((4, 7), np.inf, np.float32)})]
    elif broken == "lengths":
        events = [good, Event(**{**fields, "targets": np.zeros((3, 7), np.float32)})]
    else:
        events = [good, Event(**{**fields, "features": np.zeros((4, 11), np.float32)})]
    with pytest.raises(DataError):
        write_store(store.path, events, {})
    EventStore.open(store.path).verify()
    assert EventStore.open(store.path).digest == store.digest
    assert [file.name for file in store.path.parent.iterdir()] == ["store"]


def test_an_interruption_leaves_what_was_there(store, make_event) -> None:
    def events():
        yield make_event(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(store.path, events(), {})
    assert EventStore.open(store.path).digest == store.digest
    assert [file.name for file in store.path.parent.iterdir()] == ["store"]


def test_what_is_no_store_is_not_replaced(store, make_event, tmp_path) -> None:
    (tmp_path / "notes").mkdir()
    for path, holds in ((tmp_path / "notes/run.txt", "a text file"), (tmp_path / "notes", "run.txt, ")):
        (tmp_path / "notes/run.txt").write_text("mine\n")
        with pytest.raises(
            DataError, match=f"{holds}.*not an event store, and is not replaced; name a folder"
        ):
            write_store(path, [make_event(2)], {})
    (store.path / "run.txt").write_text("beside a store\n")
    with pytest.raises(DataError, match=r"a folder with run\.txt, not an event store"):
        write_store(store.path, [make_event(2)], {})
    assert (tmp_path / "notes/run.txt").read_text() == "mine\n"
    assert EventStore.open(store.path).digest == store.digest
    (tmp_path / "empty").mkdir()
    assert len(write_store(tmp_path / "empty", [make_event(2)], {})) == 1
    (store.path / "run.txt").unlink()
    (store.path / "manifest.json").unlink()  # a damaged one may be made again
    assert len(write_store(store.path, [make_event(2)], {})) == 1


def test_a_new_store_takes_the_place_of_the_old(store, make_event) -> None:
    assert write_store(store.path, [make_event(2)], {}).element_counts.tolist() == [2]
    assert sorted(file.name for file in store.path.iterdir()) == sorted([*FILES, "manifest.json"])
