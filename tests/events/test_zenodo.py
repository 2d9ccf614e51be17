"""The published file format: read exactly, written so, and refused by file and event when wrong."""

from __future__ import annotations

import bz2
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.events.zenodo import read_zenodo, write_zenodo
from tests.events.published import content_of, write


def read(folder: Path, content: Any, protocol: int = 4, **options: Any) -> list[Event]:
    return list(read_zenodo(write(folder / "f.pkl.bz2", content, protocol), "ttbar", 200.0, **options))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    dtype=st.sampled_from(["<f4", "<f8", ">f8"]),
    protocol=st.integers(0, 5),
    fortran=st.booleans(),
)
def test_events_are_those_of_the_file(
    tmp_path, sizes: list[int], dtype: str, protocol: int, fortran: bool
) -> None:
    content = content_of(sizes, dtype)
    if fortran:
        content = {name: [np.asfortranarray(array) for array in arrays] for name, arrays in content.items()}
    events = read(tmp_path, content, protocol)
    assert [event.number for event in events] == list(range(len(sizes)))
    for event, *arrays in zip(events, *content.values(), strict=True):
        for got, put in zip((event.features, event.targets, event.candidates), arrays, strict=True):
            assert got is not None
            assert got.dtype == np.float32
            assert np.array_equal(got, put.astype(np.float32))
        assert (event.process, event.pileup) == ("ttbar", 200.0)
        assert (event.generator_jets, event.generator_met) == (None, None)


def test_further_keys_are_ignored_whatever_data_they_hold(tmp_path) -> None:
    more = {"ids": np.arange(3), "notes": [np.array(["a", None], dtype=object)], "version": (1, "x", None)}
    more["table"] = np.zeros(2, dtype=[("a", "f4"), ("b", "i8")])
    assert len(read(tmp_path, {**more, **content_of([2, 3])})) == 2


def test_padding_is_dropped(tmp_path) -> None:
    content = content_of([6])
    content["X"][0][[1, 4, 5]] = 0.0
    (event,) = read(tmp_path, content)
    assert np.array_equal(event.features, content["X"][0][[0, 2, 3]])
    assert np.array_equal(event.targets, content["ygen"][0][[0, 2, 3]])
    assert np.array_equal(event.candidates, content["ycand"][0][[0, 2, 3]])


def test_the_sign_of_the_pdg_code_is_kept_or_made_the_charge(tmp_path) -> None:
    content = content_of([8])
    #                 none, pi+, K-, neutron, photon, e- (code 11), e+, mu- (code 13)
    kind = np.array([0, 1, 1, 2, 3, 4, 4, 5])
    published = np.array([0, 1, -1, 1, 1, 1, -1, 1], dtype=np.float32)
    content["ygen"][0][:, 0], content["ygen"][0][:, 1] = kind, published
    (kept,) = read(tmp_path, content)
    (made,) = read(tmp_path, content, correct_charge=True)
    assert kept.targets[:, 1].tolist() == published.tolist()
    assert made.targets[:, 1].tolist() == [0, 1, -1, 0, 0, -1, 1, -1]
    others = [0, 2, 3, 4, 5, 6]
    assert np.array_equal(made.targets[:, others], kept.targets[:, others])
    assert np.array_equal(made.candidates, kept.candidates)


def _changed(name: str, event: int, change: Any) -> Any:
    def changed(content: dict[str, Any]) -> dict[str, Any]:
        content[name][event] = change(content[name][event])
        return content

    return changed


def _with_value(column: int, value: float) -> Any:
    def changed(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[1, column] = value
        return array

    return changed


BAD_EVENTS = [
    (_changed("X", 1, lambda a: a[:, :11]), r"event 1: X has shape \(3, 11\), not \(N, 12\)"),
    (_changed("X", 2, lambda a: a[0]), r"event 2: X has shape \(12,\)"),
    (_changed("X", 0, lambda a: a[None]), r"event 0: X has shape \(1, 4, 12\)"),
    (_changed("ygen", 1, lambda a: a[:, :6]), r"event 1: ygen has shape \(3, 6\), not \(N, 7\)"),
    (_changed("ycand", 1, lambda a: a[:2]), "event 1: 3 rows of X, 3 of ygen, 2 of ycand"),
    (_changed("X", 1, _with_value(4, np.nan)), "event 1: X has values that are not finite"),
    (_changed("ygen", 2, _with_value(2, -np.inf)), "event 2: ygen has values that are not finite"),
    (
        _changed("ycand", 2, lambda a: np.full(a.shape, 1e300)),
        "event 2: ycand has values that are not finite",
    ),
    (_changed("X", 1, _with_value(0, 3.0)), "event 1: X: an element type that is not 0, 1 or 2"),
    (_changed("ygen", 1, _with_value(0, 6.0)), "event 1: ygen: a class that is not 0 to 5"),
    (_changed("ycand", 1, _with_value(0, 0.5)), "event 1: ycand: a class that is not 0 to 5"),
    (_changed("X", 1, lambda a: a.astype(object)), "event 1: X: .*type 'O8'"),
    (_changed("X", 1, lambda a: a.astype(np.int64)), "event 1: X: elements of type 'i8'"),
    (_changed("X", 1, lambda a: a.astype(np.float16)), "event 1: X: elements of type 'f2'"),
    (_changed("X", 1, lambda a: a.tolist()), "event 1: X is no array but list"),
    (_changed("ycand", 1, lambda a: None), "event 1: ycand is no array but NoneType"),
]


@pytest.mark.parametrize(("change", "message"), BAD_EVENTS)
def test_a_wrong_event_is_named(tmp_path, change: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"f\.pkl\.bz2: {message}"):
        read(tmp_path, change(content_of([4, 3, 5])))


def test_an_array_without_bytes_is_named(tmp_path) -> None:
    """No pickle of NumPy's: a state whose data is a number."""
    by_hand = (
        b"}(VX\n(lp0\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntNtR"
        b"(I1\n(I1\nI12\ntcnumpy\ndtype\n(Vf4\ntRI00\nI5\ntbaVygen\ng0\nVycand\ng0\nu."
    )
    (tmp_path / "f.pkl.bz2").write_bytes(bz2.compress(by_hand))
    with pytest.raises(DataError, match=r"f\.pkl\.bz2: event 0: X: an array without bytes"):
        list(read_zenodo(tmp_path / "f.pkl.bz2", "ttbar", 200.0))


BAD_FILES = [
    ([], r"no dictionary with X, ygen, ycand"),
    ({"X": [], "ygen": []}, r"no dictionary with X, ygen, ycand"),
    ({"X": [], "ygen": [], "ycand": []}, "no events"),
    ({**content_of([3, 4]), "ygen": content_of([3])["ygen"]}, "found X: 2, ygen: 1, ycand: 2"),
    ({**content_of([3]), "X": np.zeros((1, 3, 12))}, "found X: PickledArray, ygen: 1, ycand: 1"),
    ({**content_of([3]), "X": {"0": 1}}, "found X: dict, ygen: 1, ycand: 1"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_a_wrong_file_is_named(tmp_path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"f\.pkl\.bz2: .*{message}"):
        read(tmp_path, content)


def test_arrays_named_again_and_again_are_too_much(tmp_path) -> None:
    content = {name: arrays * 1000 for name, arrays in content_of([100]).items()}
    with pytest.raises(
        DataError, match=r"f\.pkl\.bz2: its events take 10400000 bytes, more than .* \(1000000\)"
    ):
        read(tmp_path, content, max_bytes=1_000_000)
    assert (tmp_path / "f.pkl.bz2").stat().st_size < 30_000


@pytest.fixture
def store(make_physical_event, tmp_path) -> EventStore:
    events = [make_physical_event(n, number=i) for i, n in enumerate((5, 1, 7) * 34)]
    return write_store(tmp_path / "store", events, {})


def test_what_is_written_is_read_back_bit_by_bit(store, tmp_path) -> None:
    calls: list[tuple[int, int]] = []
    files = write_zenodo(store, tmp_path / "files", progress=lambda *done: calls.append(done))
    assert [file.name for file in files] == [
        "tev14_pythia8_ttbar_0_0.pkl.bz2",
        "tev14_pythia8_ttbar_0_1.pkl.bz2",
    ]
    assert calls == [(1, 2), (2, 2)]
    back = [event for file in files for event in read_zenodo(file, "ttbar", 0.0)]
    assert len(back) == len(store)
    for i, event in enumerate(back):
        for name in ("features", "targets", "candidates"):
            assert getattr(event, name).tobytes() == getattr(store[i], name).tobytes()


def test_what_is_written_is_what_plain_pickle_reads(store, tmp_path) -> None:
    file = write_zenodo(store, tmp_path / "files")[1]
    with bz2.open(file) as stream:
        content = pickle.load(stream)
    assert [len(content[name]) for name in ("X", "ygen", "ycand")] == [2, 2, 2]
    assert np.array_equal(content["X"][1], store[101].features)


def test_what_cannot_be_written_is_refused(store, make_event, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with pytest.raises(ConfigurationError, match="full: not empty"):
        write_zenodo(store, tmp_path / "full")
    bare = write_store(tmp_path / "bare", [make_event(3, candidates=False)], {})
    with pytest.raises(ConfigurationError, match="bare: has no candidates"):
        write_zenodo(bare, tmp_path / "files")
    assert not (tmp_path / "files").exists()
