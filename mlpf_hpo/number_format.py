"""Numbers in tables and sentences, of bounded width whatever their size."""

from __future__ import annotations

LARGEST_FIXED = 1e4
"""From here on numbers are written as powers of ten."""


def fixed(value: float, decimals: int = 3, sign: bool = False) -> str:
    """Return a number with so many decimals, or as a power of ten where that would be long.

    With `sign`, positive numbers have one as well.

    Examples
    --------
    >>> fixed(0.5), fixed(-1e60), fixed(12.345, 1), fixed(0.5, sign=True)
    ('0.500', '-1.0e+60', '12.3', '+0.500')
    """
    plus = "+" if sign else ""
    return f"{value:{plus}.{decimals}f}" if abs(value) < LARGEST_FIXED else f"{value:{plus}.1e}"


def interval(mean: float, low: float, high: float, decimals: int = 3, sign: bool = False) -> str:
    """Return a number with its interval.

    Examples
    --------
    >>> interval(0.5, 0.25, 1e30)
    '0.500 [0.250, 1.0e+30]'
    """
    edges = ", ".join(fixed(edge, decimals, sign) for edge in (low, high))
    return f"{fixed(mean, decimals, sign)} [{edges}]"
