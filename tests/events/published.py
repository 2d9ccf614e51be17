"""Files in the published format, of made-up events."""

from __future__ import annotations

import bz2
import pickle
from pathlib import Path
from typing import Any

import numpy as np


def content_of(sizes: list[int], dtype: Any = np.float32) -> dict[str, Any]:
    """Return made-up events in the published layout."""
    generator = np.random.default_rng(sizes)
    content: dict[str, Any] = {"X": [], "ygen": [], "ycand": []}
    for n in sizes:
        for name, columns, kinds in (("X", 12, (1, 3)), ("ygen", 7, (0, 6)), ("ycand", 7, (0, 6))):
            rows = generator.normal(size=(n, columns)).astype(dtype)
            rows[:, 0] = generator.integers(*kinds, n)
            content[name].append(rows)
    return content


def write(file: Path, content: Any, protocol: int = 4) -> Path:
    with bz2.open(file, "wb", compresslevel=1) as stream:
        pickle.dump(content, stream, protocol=protocol)
    return file
