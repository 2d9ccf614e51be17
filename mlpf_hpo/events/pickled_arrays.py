"""NumPy arrays in a pickle: their descriptions, converted to arrays on request.

NumPy's own constructors take whatever state they are given, so nothing of NumPy is called in reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS = ("f4", "f8")
BYTE_ORDERS = ("<", ">", "=")
"""Types of array elements that are made real."""


class PickleRefusal(Exception):  # noqa: N818 - says what is wrong; a `DataError` adds the file
    """A pickle asks for something that is not data."""


@dataclass
class PickledDtype:
    """The description of a NumPy dtype: a code such as ``"f4"``, and what `__setstate__` would be given."""

    code: Any
    state: Any = None

    def to_numpy(self) -> np.dtype[Any]:
        """Return the dtype.

        Raises
        ------
        ValueError
            If it is not float32 or float64.
        """
        # Version, byte order, then what only structured types have.
        order, *structure = ("=", None) if self.state is None else self.state[1:5]
        if self.code not in FLOATS or order not in BYTE_ORDERS or any(part is not None for part in structure):
            # Only text is printed: for a nested list, that would take for ever.
            code = repr(self.code)[:20] if isinstance(self.code, str) else "that is no text"
            raise ValueError(f"elements of type {code}, not float32 or float64")
        return np.dtype(order + self.code)


@dataclass
class PickledArray:
    """The description of a NumPy array, and its bytes, as the file has them; `to_numpy` checks them."""

    shape: Any = None
    dtype: Any = None
    fortran: Any = False
    data: Any = None

    def to_numpy(self) -> NDArray[Any]:
        """Return the array, a read-only view of the file's bytes.

        Raises
        ------
        ValueError
            If its elements are not floats, or its shape is not that of its bytes.
        """
        if not isinstance(self.dtype, PickledDtype) or not isinstance(self.shape, tuple):
            raise ValueError("an array without dtype or shape")  # noqa: TRY004 - the file's fault, no caller's
        dtype = self.dtype.to_numpy()
        data = self.data.encode("latin-1") if isinstance(self.data, str) else self.data
        if not isinstance(data, bytes | bytearray):
            raise ValueError("an array without bytes")  # noqa: TRY004
        size = dtype.itemsize
        for length in self.shape:
            if not isinstance(length, int) or length < 0:
                raise ValueError("a shape that is no tuple of lengths")
            size *= length
            if size > len(data):
                break
        if size != len(data):
            raise ValueError(f"a shape that its {len(data)} bytes do not fill")
        array = np.frombuffer(data, dtype).reshape(self.shape, order="F" if self.fortran else "C")
        array.flags.writeable = False
        return array


@dataclass(frozen=True)
class Global:
    """A name that pickles of arrays ask for, and what stands in for it."""

    name: str
    call: Callable[..., Any] | None = None


def _reconstruct(kind: Any, _shape: Any, _code: Any) -> PickledArray:
    if kind is not NDARRAY:
        raise PickleRefusal("an array of a class that is not numpy.ndarray")
    return PickledArray()


def _dtype(code: Any, _align: Any = False, _copy: Any = True) -> PickledDtype:
    return PickledDtype(code)


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    return PickledArray(shape, dtype, order == "F", data)


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleRefusal("_codecs.encode to something else than latin1")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    return b""


NDARRAY = Global("numpy.ndarray")

GLOBALS = {
    "numpy ndarray": NDARRAY,
    "numpy dtype": Global("numpy.dtype", _dtype),
    # How protocols 0 to 2 spell bytes, and no bytes.
    "_codecs encode": Global("_codecs.encode", _encode),
    "__builtin__ bytes": Global("bytes", _no_bytes),
    # NumPy 1 and 2; `_frombuffer` is for protocol 5.
    "numpy.core.multiarray _reconstruct": Global("_reconstruct", _reconstruct),
    "numpy._core.multiarray _reconstruct": Global("_reconstruct", _reconstruct),
    "numpy.core.numeric _frombuffer": Global("_frombuffer", _from_buffer),
    "numpy._core.numeric _frombuffer": Global("_frombuffer", _from_buffer),
}
"""All that may be asked for, as the opcode GLOBAL spells it."""
