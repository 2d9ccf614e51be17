"""Columns, classes and the `Event` type.

Units are GeV everywhere. An *element* is a track or a calorimeter tower; tracks come first.
The column layout is that of the public dataset Zenodo 4559324.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

TOWER, TRACK = 1, 2
"""Element types (column 0 of the features); 0 is padding and never stored."""

TOWER_FEATURES = ("type", "et", "eta", "sin_phi", "cos_phi", "energy", "energy_em", "energy_had")
"""Meaning of the first eight feature columns of a tower; the other four are zero."""

TRACK_FEATURES = (
    "type",
    "pt",
    "eta",
    "sin_phi",
    "cos_phi",
    "momentum",
    "eta_outer",
    "sin_phi_outer",
    "cos_phi_outer",
    "charge",
    "is_gen_muon",
    "is_gen_electron",
)
"""Meaning of the twelve feature columns of a track."""

TARGETS = ("pid", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy")
"""Meaning of the seven columns of targets and candidates."""

CLASSES = ("none", "charged hadron", "neutral hadron", "photon", "electron", "muon")
"""Particle classes; the index is the pid of the targets. 0: the element carries no target."""

N_FEATURES, N_TARGETS, N_CLASSES = len(TRACK_FEATURES), len(TARGETS), len(CLASSES)


def format_pileup(pileup: float | None) -> str:
    """Return the mean number of overlaid collisions for captions.

    Examples
    --------
    >>> format_pileup(200.0), format_pileup(None)
    ('PU 200', 'unknown PU')
    """
    return "unknown PU" if pileup is None else f"PU {pileup:g}"


@dataclass(frozen=True)
class Event:
    """One collision as the detector saw it, and as the generator made it.

    Attributes
    ----------
    features : array [N, 12], float32
        `TRACK_FEATURES` or `TOWER_FEATURES` per element.
    targets : array [N, 7], float32
        `TARGETS` per element, from the generator.
    candidates : array [N, 7], float32, or None
        The same columns from the rule-based particle flow, the baseline.
    number : int
        Number of the event in its sample.
    process : str
        ``"ttbar"`` or ``"qcd"``.
    pileup : float or None
        Mean number of overlaid minimum-bias collisions; None where it is not known.
    generator_jets : array [J, 4], float32, or None
        (pt, eta, phi, mass) of generator jets; J may be 0. None where they are not known: published files.
    generator_met : array [2], float32, or None
        (px, py) of the generator's missing transverse momentum; None together with the jets.
    """

    features: FloatArray
    targets: FloatArray
    candidates: FloatArray | None
    number: int
    process: str
    pileup: float | None
    generator_jets: FloatArray | None
    generator_met: FloatArray | None

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.features)
