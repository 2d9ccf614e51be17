"""Restricted unpickling of untrusted files: plain data and NumPy arrays only.

A pickle is a program for a stack machine. Python's own can be kept from most globals, but not from being
crashed by a megabyte of nested tuples; this one executes only the opcodes that data needs.
docs/decisions/0013-a-machine-for-pickles.md says more.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickletools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.events.pickled_arrays import GLOBALS, Global, PickledArray, PickledDtype, PickleRefusal
from mlpf_hpo.file_kind import NO_PICKLE, compression, file_kind

MAX_BYTES = 512 * 2**20
"""Decompressed bytes of one file: twice those of 100 events of 6,400 float64 rows in the oldest protocol."""

MAX_STEPS = 250_000
"""Opcodes of one file; 100 events take less than ten thousand."""


UNLIKELY = ("a text file", "a binary file of an unknown kind")
"""Kinds that only the oldest pickles look like."""

OPENERS: dict[str, Callable[[Path], Any]] = {
    "": lambda file: file.open("rb"),
    "bz2": bz2.open,
    "gzip": gzip.open,
    "xz": lzma.open,
}
"""How a file is opened, by its compression; found by content, not by name."""


def load_pickle(file: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a pickle of dictionaries, lists, tuples, numbers, text and NumPy arrays.

    Parameters
    ----------
    file : path
        The file; any pickle protocol, plain or compressed by bz2, gzip or xz.
    max_bytes : int
        How much it may hold when decompressed; memory stays below about twice as much.

    Returns
    -------
    object
        What was pickled, with a `PickledArray` where an array was.

    Raises
    ------
    MissingInputError
        If there is no such file.
    DataError
        If it is no such file, is truncated or damaged, holds too much, or asks for anything else: a global, a
        class instance, an extension, a persistent object. The message says what was asked for, or what the
        file is.
    """
    kind = file_kind(file)
    if kind in NO_PICKLE:
        raise DataError(f"{file}: {kind}, not a pickle")
    try:
        with OPENERS[compression(file)](file) as stream:
            return _Machine(_Budgeted(stream, max_bytes)).run()
    except FileNotFoundError:
        raise MissingInputError(f"{file}: no such file") from None
    except PickleRefusal as refusal:
        raise DataError(f"{file}: refused: {refusal!s:.200}; only NumPy arrays are read") from None
    except (OSError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file}: cannot be read: {reason}") from None
    # What is not a pickle fails in as many ways as there are opcodes.
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, EOFError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error!s:.200}"
        if kind in UNLIKELY:
            raise DataError(f"{file}: cannot be read: {kind}, not a pickle ({reason})") from None
        raise DataError(f"{file}: not a whole pickle: {reason}") from None


class _Budgeted:
    """A stream that ends with an error when more was taken from it than a file may hold."""

    def __init__(self, stream: Any, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._left = max_bytes

    def spend(self, n: int) -> None:
        """Account for `n` bytes of memory."""
        self._left -= n
        if self._left < 0:
            raise PickleRefusal(f"more than {self._max_bytes} bytes when decompressed")

    def read(self, n: int) -> bytes:
        # One more than is left distinguishes a file that is too long from one that ends here.
        content: bytes = self._stream.read(min(n, self._left + 1))
        self.spend(len(content))
        return content

    def readline(self) -> bytes:
        content: bytes = self._stream.readline(self._left + 1)
        self.spend(len(content))
        return content


LITERALS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
"""Opcodes that push a constant."""

VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
"""Opcodes that push their argument."""

REFUSED = {
    "OBJ": "an instance of a class",
    "NEWOBJ": "an instance of a class",
    "NEWOBJ_EX": "an instance of a class",
    "EXT1": "extension code {}",
    "EXT2": "extension code {}",
    "EXT4": "extension code {}",
    "PERSID": "persistent id {!r}",
    "BINPERSID": "a persistent id",
}
"""What opcodes that are not for data ask for, with their argument."""


class _Machine:
    """Executes the opcodes of a pickle that make data."""

    def __init__(self, stream: _Budgeted) -> None:
        self._stream = stream
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        """Stacks that marks have put aside."""
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return what the pickle holds."""
        opcodes = pickletools.genops(self._stream)  # type: ignore[arg-type] # needs read and readline only
        for step, (opcode, argument, _) in enumerate(opcodes):
            name = opcode.name
            if step >= MAX_STEPS:
                raise PickleRefusal(f"more than {MAX_STEPS} objects")
            if name in VALUES:
                self._push(argument)
            elif name in LITERALS:
                self._push(LITERALS[name])
            elif name in STEPS:
                STEPS[name](self, argument)
            elif name != "STOP":
                raise PickleRefusal(REFUSED.get(name, f"the opcode {name}").format(argument))
        if self._stream.read(1):  # also has the last checksum compared
            raise PickleRefusal("more after the pickle's end")
        (content,) = self._stack
        return content

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        taken, self._stack = self._stack, self._below.pop()
        return taken

    def _last(self, n: int) -> tuple[Any, ...]:
        if len(self._stack) < n:
            raise IndexError("too few objects")
        taken = tuple(self._stack[len(self._stack) - n :])
        del self._stack[len(self._stack) - n :]
        return taken

    def _pass(self, _: int) -> None:
        """Ignore an opcode: protocol and frames do not change the content."""

    def _mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _pop(self, _: None) -> None:
        if self._stack:
            self._stack.pop()
        else:  # the mark
            self._since_mark()

    def _pop_mark(self, _: None) -> None:
        self._since_mark()

    def _memoize(self, index: int | None) -> None:
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._push(self._memo[index])

    def _extend(self, values: Any) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise TypeError("elements for what is no list")
        target.extend(values)

    def _set(self, pairs: Any) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise TypeError("keys and values for what is no dictionary")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # No other keys: the hash of a nested tuple takes a stack as deep, and a time without bounds.
            if not isinstance(key, str):
                raise PickleRefusal(f"a dictionary key of type {type(key).__name__}")
            target[key] = value

    def _dict(self, _: None) -> None:
        pairs = self._since_mark()
        self._push({})
        self._set(pairs)

    def _global(self, name: str) -> None:
        if name not in GLOBALS:
            raise PickleRefusal(f"the global {name.replace(' ', '.')}")
        self._push(GLOBALS[name])

    def _instance(self, name: str) -> None:
        raise PickleRefusal(f"an instance of {name.replace(' ', '.')}")

    def _stack_global(self, _: None) -> None:
        module, name = self._last(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleRefusal("a global whose name is no text")
        self._global(f"{module} {name}")

    def _reduce(self, _: None) -> None:
        called, arguments = self._last(2)
        if not isinstance(called, Global) or called.call is None or type(arguments) is not tuple:
            name = called.name if isinstance(called, Global) else f"an object of type {type(called).__name__}"
            raise PickleRefusal(f"a call of {name}")
        made = called.call(*arguments)
        if isinstance(made, bytes):  # a copy, which a few bytes of pickle can ask for again and again
            self._stream.spend(len(made))
        self._push(made)

    def _build(self, _: None) -> None:
        (state,) = self._last(1)
        target = self._stack[-1]
        if type(state) is not tuple:
            raise TypeError("a state that is no tuple")
        if isinstance(target, PickledArray):
            target.shape, target.dtype, target.fortran, target.data = state[-4:]
        elif isinstance(target, PickledDtype):
            target.state = state
        else:
            raise PickleRefusal(f"a state for an object of type {type(target).__name__}")


STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), _Machine._pass),
    "MARK": _Machine._mark,
    "POP": _Machine._pop,
    "POP_MARK": _Machine._pop_mark,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine._memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine._recall),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._since_mark())),
    "TUPLE1": lambda machine, _: machine._push(machine._last(1)),
    "TUPLE2": lambda machine, _: machine._push(machine._last(2)),
    "TUPLE3": lambda machine, _: machine._push(machine._last(3)),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "LIST": lambda machine, _: machine._push(machine._since_mark()),
    "APPEND": lambda machine, _: machine._extend(machine._last(1)),
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "DICT": _Machine._dict,
    "SETITEM": lambda machine, _: machine._set(machine._last(2)),
    "SETITEMS": lambda machine, _: machine._set(machine._since_mark()),
    "GLOBAL": _Machine._global,
    "INST": _Machine._instance,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}
"""What the other opcodes of data do."""
