"""Electric charge by PDG code, from the numbering scheme of the Particle Data Group alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray, IntArray

THIRDS = {
    **dict.fromkeys((1, 3, 5, 7), -1),
    **dict.fromkeys((2, 4, 6, 8), 2),
    **dict.fromkeys((11, 13, 15, 17), -3),
    **dict.fromkeys((24, 34, 37), 3),
}
"""Charge in units of e/3 of quarks, charged leptons and bosons; other codes below 100 are neutral."""

QUARKS = np.array([0, -1, 2, -1, 2, -1, 2, -1, 2, 0])
"""Charge in units of e/3 by the digit of a quark."""

PARTNERS = 1_000_000
"""Codes from here on without hadron digits are partners and copies of fundamental particles."""

PRIVATE = (49, 99)
"""First digits of codes without quarks: those of a hidden sector, and those that a generator made up."""

GLUINO = 9
"""Digit of a gluino, which makes a meson of two quarks."""

NUCLEI = 1_000_000_000
"""Codes from here on are +-10LZZZAAAI."""


def pdg_charge(pid: IntArray) -> FloatArray:
    """Return the charge of particles, in units of e.

    Parameters
    ----------
    pid : array [n], int
        PDG codes.

    Examples
    --------
    >>> pdg_charge(np.array([211, -11, 22, 2212, -3112, 1000020040])).tolist()
    [1.0, 1.0, 0.0, 1.0, 1.0, 2.0]
    """
    codes, where = np.unique(pid, return_inverse=True)
    charges: NDArray[np.float64] = np.array([_thirds(int(code)) for code in codes], dtype=np.float64) / 3
    return charges[where]


def _thirds(code: int) -> int:
    absolute, sign = abs(code), 1 if code > 0 else -1
    if absolute >= NUCLEI:
        return sign * 3 * (absolute // 10_000 % 1000)
    third, second, first = (absolute // 10**place % 10 for place in (1, 2, 3))
    if absolute < 100 or (absolute >= PARTNERS and second == first == 0):
        return sign * THIRDS.get(absolute % 100, 0)
    if absolute // 100_000 in PRIVATE:
        return 0
    if first in (0, GLUINO):
        # A meson: a quark and an antiquark; of two kinds the code is positive if the heavier one is up-like,
        # or the antiquark.
        charge = int(QUARKS[second] - QUARKS[third])
        return sign * (-charge if second % 2 else charge)
    if third == 0:
        return sign * int(QUARKS[first] + QUARKS[second])  # a diquark
    return sign * int(QUARKS[first] + QUARKS[second] + QUARKS[third])
