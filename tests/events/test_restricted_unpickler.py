"""Pickles of untrusted origin: data and arrays come through, all else is refused by name, nothing runs."""

from __future__ import annotations

import bz2
import collections
import copyreg
import functools
import gzip
import lzma
import os
import pickle
import pickletools
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.events import restricted_unpickler
from mlpf_hpo.events.pickled_arrays import PickledArray
from mlpf_hpo.events.restricted_unpickler import load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
on_one_folder = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def compressed(folder: Path, content: bytes) -> Path:
    file = folder / "file.pkl.bz2"
    file.write_bytes(bz2.compress(content, 1))
    return file


def loaded(folder: Path, content: bytes, **options: Any) -> Any:
    return load_pickle(compressed(folder, content), **options)


def complaint(folder: Path, content: bytes) -> str | None:
    """Return which file a `DataError` is about, if there is one."""
    try:
        loaded(folder, content)
    except DataError as error:
        return str(error).removeprefix(f"{folder}/").split(":")[0]
    return None


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)  # type: ignore[arg-type]
    ),
    max_leaves=20,
)


@on_one_folder
@given(data=DATA, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_through(tmp_path, data: Any, protocol: int) -> None:
    # A bytearray is a call of a builtin before protocol 5.
    try:
        expected = pickle.dumps(data, protocol)
    except UnicodeEncodeError:  # a lone surrogate
        return
    if b"\nbytearray" in expected or b"\x09bytearray" in expected:
        return
    assert loaded(tmp_path, expected) == data


ARRAYS = [np.arange(6, dtype=dtype).reshape(2, 3) for dtype in ("<f4", "<f8", ">f4", ">f8")] + [
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.zeros((0, 12), np.float32),
    np.arange(8.0)[::2],
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_of_every_protocol(tmp_path, array: np.ndarray, protocol: int) -> None:
    (same,) = loaded(tmp_path, pickle.dumps([array], protocol))
    assert isinstance(same, PickledArray)
    assert np.array_equal(same.to_numpy(), array)
    assert same.to_numpy().dtype == array.dtype
    assert not same.to_numpy().flags.writeable


def test_arrays_of_other_generations_of_numpy_and_python(tmp_path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for protocol in PROTOCOLS:
        old = pickle.dumps(array, protocol).replace(b"numpy._core", b"numpy.core ", 1)
        # Text of the same length, so that no count changes; then the name as it was.
        framed = old.replace(b"numpy.core .", b"numpy.core.")
        if protocol >= 4:
            framed = framed.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core")
            framed = framed.replace(b"\x8c\x13numpy.core", b"\x8c\x12numpy.core")
        assert b"numpy.core." in framed
        assert np.array_equal(loaded(tmp_path, framed).to_numpy(), array)
    # Python 2 wrote bytes as text of 8 bits.
    python_2 = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff"
        b"\xffK\x00tb\x89U\x08\x00\x00\x80\x3f\x00\x00\x80\xbftb."
    )
    assert loaded(tmp_path, python_2).to_numpy().tolist() == [[1.0, -1.0]]


class Evil:
    """Pickles as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Plain:
    """Pickles as an instance with a state."""

    def __init__(self) -> None:
        self.content = 1


CALLS: list[tuple[Any, str]] = [
    (Evil(os.system, ("touch TOUCHED",)), r"the global posix\.system"),
    (Evil(eval, ("open('TOUCHED', 'w')",)), r"the global (builtins|__builtin__)\.eval"),
    (Evil(getattr, ("x", "format")), r"the global (builtins|__builtin__)\.getattr"),
    (Evil(functools.partial, (os.system, "touch TOUCHED")), r"the global functools\.partial"),
    (Evil(np.load, ("x",)), r"the global numpy\.load"),
    (Evil(np.fromfile, ("/etc/passwd",)), r"the global numpy\.fromfile"),
    (Plain(), r"the global .*Plain|the global copy_?reg\._reconstructor"),
    (collections.OrderedDict(a=1), r"the global collections\.OrderedDict"),
    ({1, 2}, r"the (opcode EMPTY_SET|global (builtins|__builtin__)\.set)"),
    (np.float32(1), r"the global numpy\._core\.multiarray\.scalar"),
    (np.ma.ones(3), r"the global numpy\.ma\.core\._mareconstruct"),
    (range(3), r"the global (builtins|__builtin__)\.x?range"),
    (1 + 2j, r"the global (builtins|__builtin__)\.complex"),
    ({(1, 2): 3}, "a dictionary key of type tuple"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("content", "asked_for"), CALLS, ids=lambda value: type(value).__name__)
def test_what_is_not_data_is_refused_by_name(
    tmp_path, monkeypatch, content: Any, asked_for: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=rf"file\.pkl\.bz2: refused: {asked_for}"):
        loaded(tmp_path, pickle.dumps({"X": [], "more": content}, protocol))
    assert not (tmp_path / "TOUCHED").exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
ARRAY = RECONSTRUCT + b"(cnumpy\nndarray\n(I0\ntNtR"
LAUGHS = b"N" + b"q\x00h\x00\x86" * 60 + b"q\x00"
"""A tuple that takes a few bytes, and 2**60 words to write out."""

BY_HAND = {
    "instance": (b"(ios\nsystem\n.", r"an instance of os\.system"),
    "object": (b"(cnumpy\nndarray\no.", "an instance of a class"),
    "new object": (b"cnumpy\nndarray\n)\x81.", "an instance of a class"),
    "new object with keywords": (b"\x80\x04cnumpy\nndarray\n)}\x92.", "an instance of a class"),
    "extension 1": (b"\x80\x02\x82\x05.", "extension code 5"),
    "extension 2": (b"\x80\x02\x83\x05\x01.", "extension code 261"),
    "extension 4": (b"\x80\x02\x84\x05\x00\x00\x01.", "extension code 16777221"),
    "persistent text": (b"Pdisk:/etc/shadow\n.", "persistent id 'disk:/etc/shadow'"),
    "persistent": (b"K\x01Q.", "a persistent id"),
    "out of band": (b"\x80\x05\x97.", "the opcode NEXT_BUFFER"),
    "read only": (b"\x80\x05N\x98.", "the opcode READONLY_BUFFER"),
    "frozen set": (b"\x80\x04(\x91.", "the opcode FROZENSET"),
    "a call of text": (b"Vos.system\n(V1\ntR.", "a call of an object of type str"),
    "a call of an array class": (b"cnumpy\nndarray\n(I1\ntR.", r"a call of numpy\.ndarray"),
    "a call of an array": (ARRAY + b")R.", "a call of an object of type PickledArray"),
    "another array class": (
        RECONSTRUCT + b"(cnumpy\ndtype\n(I0\ntVb\ntR.",
        "an array of a class that",
    ),
    "a memmap": (RECONSTRUCT + b"(cnumpy\nmemmap\n(I0\ntVb\ntR.", r"the global numpy\.memmap"),
    "another encoding": (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "_codecs.encode to something else"),
    "decoding": (b"c_codecs\ndecode\n(Vx\nVrot13\ntR.", r"the global _codecs\.decode"),
    "a dotted name": (
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        r"the global numpy\.ndarray\.dumps",
    ),
    "a name of numbers": (b"\x80\x04K\x01K\x02\x93.", "a global whose name is no text"),
    "a name that grows": (LAUGHS + b"h\x00\x93.", "a global whose name is no text"),
    "an encoding that grows": (
        LAUGHS + b"0c_codecs\nencode\n(Vx\nh\x00tR.",
        "_codecs.encode to something else",
    ),
    "a state for a function": (RECONSTRUCT + b"(N}Vx\nI1\nstb.", "a state for an object of type Global"),
    "a state for a list": (b"](NNtb.", "a state for an object of type list"),
    "more after the end": (pickle.dumps(1) + b"x", "more after the pickle's end"),
    "a long name": (b"c" + b"x" * 5000 + b"\ny\n.", "the global xxxx"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_opcodes_that_no_array_needs_are_refused(tmp_path, name: str) -> None:
    content, asked_for = BY_HAND[name]
    with pytest.raises(DataError, match=asked_for) as refused:
        loaded(tmp_path, content)
    assert len(str(refused.value)) < 400 + len(str(tmp_path))


def test_extension_codes_are_refused_even_if_this_process_knows_them(tmp_path) -> None:
    copyreg.add_extension("os", "system", 200)
    try:
        content = pickle.dumps(os.system, 2).replace(b"cposix\nsystem\n", b"\x82\xc8")
        with pytest.raises(DataError, match="extension code 200"):
            loaded(tmp_path, content)
    finally:
        copyreg.remove_extension("os", "system", 200)


NOT_PICKLES = {
    "nothing": b"",
    "no end": b"]",
    "text": b"hello",
    "empty stack": b".",
    "two objects": b"NN.",
    "mark left": b"(.",
    "no mark": b"t.",
    "no memo": b"h\x07.",
    "append to a tuple": b")K\x01a.",
    "append to an array": ARRAY + b"I1\na.",
    "set in a list": b"]Va\nI1\ns.",
    "odd": b"}(Va\nu.",
    "state": ARRAY + b"I1\nb.",
    "short state": ARRAY + b"(NNtb.",
    "negative length": b"T\xff\xff\xff\xff.",
    "long length": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    "digits": b"L" + b"9" * 5000 + b"L\n.",
    "too few": b"\x80\x02K\x01\x86.",
    "codec": b"\x80\x02X\x01\x00\x00\x00\xff.",
}


@pytest.mark.parametrize("name", NOT_PICKLES)
def test_what_is_no_pickle_is_an_error(tmp_path, name: str) -> None:
    with pytest.raises(DataError, match=r"file\.pkl\.bz2: not a whole pickle"):
        loaded(tmp_path, NOT_PICKLES[name])


@pytest.mark.parametrize(
    ("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_compressed_pickle_that_is_damaged_is_an_error(ending, compress, tmp_path) -> None:
    packed, start = compress(pickle.dumps(np.arange(20_000.0))), 200
    file = tmp_path / f"file.pkl.{ending}"
    for damaged in (packed[:start], packed[:start] + b"\xff" * 200 + packed[start + 200 :]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"file\.pkl\.{ending}: "):
            load_pickle(file)


WHOLE = pickle.dumps({"X": [np.arange(24, dtype=np.float32).reshape(2, 12)], "n": 3}, 4)


@on_one_folder
@given(data=st.data())
def test_any_damage_is_an_error_or_other_data(tmp_path, data: Any) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    assert complaint(tmp_path, bytes(content)) in (None, "file.pkl.bz2")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codes=st.lists(
        st.sampled_from([code.code.encode("latin-1") for code in pickletools.opcodes])
        | st.binary(max_size=5),
        max_size=30,
    )
)
def test_any_program_is_an_error_or_data(tmp_path, codes: list[bytes]) -> None:
    assert complaint(tmp_path, b"".join(codes) + b".") in (None, "file.pkl.bz2")


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_an_error(tmp_path, cut: float) -> None:
    file = compressed(tmp_path, WHOLE * 50)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(DataError, match=r"file\.pkl\.bz2: (not a whole pickle|cannot be read)"):
        load_pickle(file)


def test_every_flipped_byte_of_the_compressed_file_is_noticed(tmp_path) -> None:
    file = compressed(tmp_path, WHOLE)
    content = file.read_bytes()
    for position in range(len(content)):
        broken = bytearray(content)
        broken[position] ^= 0x10
        file.write_bytes(bytes(broken))
        try:
            assert load_pickle(file)["n"] == 3  # a few bits of the format are not used
        except DataError:
            continue


def test_not_compressed_and_not_there(tmp_path) -> None:
    file = tmp_path / "file.pkl.bz2"
    with pytest.raises(MissingInputError, match=r"file\.pkl\.bz2: no such file"):
        load_pickle(file)
    file.write_bytes(WHOLE)
    assert load_pickle(file)["n"] == 3  # its content says how it is compressed, not its name
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load_pickle(tmp_path)


LARGE = b"\x80\x04\x8e" + (20_000_000).to_bytes(8, "little") + bytes(20_000_000)
LARGE_TEXT = b"V" + b"x" * 1_000_000 + b"\n"
BOMBS = {
    "long bytes": LARGE + b".",
    "bytes that claim more": b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + bytes(20_000_000) + b".",
    "many lists": b"]" * 20_000_000 + b".",
    "many small objects": b"]" * 1_500_000 + b".",
    "encoded again and again": LARGE_TEXT + b"p0\n" + b"c_codecs\nencode\np1\n(g0\nVlatin1\ntR" * 100 + b".",
    "a line without an end": b"V" + b"x" * 20_000_000,
    "a deep tuple as key": b"}N" + b"\x85" * 900_000 + b"Ns.",
    "a wide tuple as key": b"}N" + b"q\x00h\x00\x86" * 40 + b"Ns.",
    "a far memo": b"N" + b"r\xff\xff\xff\x7f" + b"j\xff\xff\xff\x7f" + b"0.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_neither_memory_nor_time(tmp_path, name: str) -> None:
    file = compressed(tmp_path, BOMBS[name])
    assert file.stat().st_size < 20_000
    code = (
        "import resource, sys; from pathlib import Path; from mlpf_hpo.errors import DataError\n"
        "from mlpf_hpo.events.restricted_unpickler import load_pickle\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    print(type(load_pickle(Path(sys.argv[1]), max_bytes=10_000_000)))\n"
        "except DataError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    end = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120)
    assert end.returncode == 0, end.stderr
    outcome, grown = end.stdout.splitlines()
    expected = {
        "a far memo": "NoneType",
        "a deep tuple as key": "more than",
        "a wide tuple as key": "a dictionary key",
    }
    assert expected.get(name, "refused: more than") in outcome
    assert int(grown) < 200_000  # kB


def test_python_s_own_machine_does_not_survive() -> None:
    """Why there is another one."""

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (8 * 2**20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    code = "import sys, pickle; pickle.loads(sys.stdin.buffer.read())"
    bomb = BOMBS["a deep tuple as key"]
    end = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, preexec_fn=limits)
    assert end.returncode < 0


SHAPES = {
    "too large": (3, 12),
    "too small": (1, 12),
    "negative": (-2, -12),
    "overflowing": (2**62, 4),
    "huge": (2**63, 2**63),
    "many": (1,) * 100_000 + (24,),
    "text": ("2", 12),
    "fraction": (2.0, 12),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit_make_no_array(name: str) -> None:
    good = _described()
    assert good.to_numpy().shape == (2, 12)
    good.shape = SHAPES[name]
    with pytest.raises(ValueError, match=r"shape|dimension"):
        good.to_numpy()


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype("O"),
        np.dtype([("a", "f4"), ("b", "O")]),
        np.dtype([("a", "f4", (2,))]),
        np.dtype("V4"),
        np.dtype("i4"),
        np.dtype("U1"),
        np.dtype("M8[s]"),
    ],
    ids=str,
)
def test_elements_that_are_not_floats_make_no_array(tmp_path, dtype: np.dtype) -> None:
    (array,) = loaded(tmp_path, pickle.dumps([np.zeros(2, dtype)]))
    with pytest.raises(ValueError, match=r"elements of type|without bytes"):
        array.to_numpy()


def test_descriptions_with_anything_in_them_make_no_array() -> None:
    for field in ("shape", "dtype", "data"):
        for value in (None, [], {}, "x", 3, (), _described()):
            array = _described()
            setattr(array, field, value)
            with pytest.raises(ValueError, match=r"."):
                array.to_numpy()
    for state in ((), (3,), (3, "<"), (3, "?", None, None, None), (3, [], None, None, None)):
        array = _described()
        array.dtype.state = state
        if state != (3, "<"):
            with pytest.raises(ValueError, match=r"."):
                array.to_numpy()


def test_nobody_writes_out_what_a_description_holds(tmp_path) -> None:
    array = _described()
    array.dtype.code = loaded(tmp_path, LAUGHS + b".")
    with pytest.raises(ValueError, match="elements of type that is no text"):
        array.to_numpy()


def _described() -> PickledArray:
    array = restricted_unpickler.PickledArray(
        (2, 12), restricted_unpickler.PickledDtype("f4"), False, bytes(96)
    )
    array.dtype.state = (3, "<", None, None, None, -1, -1, 0)
    return array
