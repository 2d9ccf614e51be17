"""Blocks of elements: what is computed of each element by itself goes through the caches block by block."""

from __future__ import annotations

from itertools import pairwise

BLOCK = {"cpu": 2048, "cuda": 32768}
"""Elements of a block, by device: enough for fast products, and on a CPU few enough for its caches."""


def blocks(n: int, size: int) -> list[slice]:
    """Return blocks of nearly equal size; one of no rows where there are none."""
    number = max(1, -(-n // size))
    edges = [n * i // number for i in range(number + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]
