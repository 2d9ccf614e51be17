"""Read and write model files in the skops format, which contains data instead of code.

Loading a file executes nothing in it, and refuses every type that is not trusted.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpf_hpo.errors import DataError


@contextmanager
def without(module: str) -> Iterator[None]:
    """Let imports of a module fail, unless it is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


# skops looks for scikit-learn's estimators in all of its packages, of which one is for PyTorch's tensors: it
# would load PyTorch, which takes longer than all the rest of a prediction.
with without("torch"):
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException


def model_bytes(model: Any) -> bytes:
    """Return the content of a model's file, compressed: the nodes of trees take a tenth of the room."""
    content: bytes = skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    return content


def foreign_types(stored: Path | bytes) -> list[str]:
    """Return the types in a file, or in its content, that are neither scikit-learn's nor numpy's.

    For a damaged file the list is empty.
    """
    where = {"data": stored} if isinstance(stored, bytes) else {"file": stored}
    try:
        return list(skops.io.get_untrusted_types(**where))
    except Exception:  # a damaged file can fail anywhere; `load_model` says so
        return []


def load_model(file: Path, trusted: Sequence[str]) -> Any:
    """Load a file that holds nothing but scikit-learn's, numpy's and `trusted` types.

    Raises
    ------
    DataError
        If it is not there or damaged, or holds other types; nothing of it is executed.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    try:
        return skops.io.load(file, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        reason = str(error).splitlines()[0]  # the others are advice for programmers
        raise DataError(f"{file}: holds types that are not trusted, refused: {reason}") from None
    except Exception as error:  # a damaged file can fail anywhere in zip, JSON or numpy
        raise DataError(f"{file}: damaged, or not a model of ours: {error}") from None
