"""Granularity of a calorimeter: the widths of its towers in the barrel, and whether two samples differ in it.

What a network has learned of one detector does not hold for another, and nothing in the elements says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpf_hpo.array_types import BoolArray, FloatArray
from mlpf_hpo.events.calorimeter import ECAL, HCAL
from mlpf_hpo.events.detector import SETTINGS

GRANULARITY = "granularity"
"""Key of the manifest's settings under which an imported store has it."""

BARREL = 1.5
"""Towers up to this |eta| are looked at: there the grids of most detectors are regular."""

TOLERANCE = 0.1
"""Relative difference of widths that is none: edges are rounded."""

Granularity = dict[str, list[float]]
"""Width in eta and in phi (rad) by calorimeter, "ECAL" and "HCAL"."""


def barrel_granularity(edges: FloatArray, electromagnetic: BoolArray) -> Granularity | None:
    """Return the median widths of the towers of the barrel.

    Parameters
    ----------
    edges : array [n, 4]
        Eta low, eta high, phi low, phi high of each tower.
    electromagnetic : array [n], bool
        Which towers have more energy in the ECAL than in the HCAL.

    Returns
    -------
    dict or None
        Of the calorimeters that have towers there; None if none has.

    Examples
    --------
    >>> edges = np.array([[0.0, 0.1, 0.0, 0.1], [0.1, 0.2, 0.1, 0.2], [4.0, 4.5, 0.0, 0.5]])
    >>> barrel_granularity(edges, np.array([True, True, True]))
    {'ECAL': [0.1, 0.1]}
    """
    inside = np.abs(edges[:, :2]).max(axis=1, initial=0.0) <= BARREL
    found = {}
    for name, chosen in (("ECAL", electromagnetic), ("HCAL", ~electromagnetic)):
        of = edges[inside & chosen]
        if len(of):
            widths = np.median(of[:, 1::2] - of[:, ::2], axis=0)
            found[name] = [round(float(width), 4) for width in widths]
    return found or None


def granularity_of(settings: Mapping[str, Any]) -> Granularity | None:
    """Return the granularity of a store by its manifest's settings; None if that is not known."""
    detector = settings.get("detector")
    if isinstance(detector, dict) and detector.get("card") == SETTINGS["card"]:
        return _own()
    found = settings.get(GRANULARITY)
    return found if isinstance(found, dict) else None


def granularity_warnings(trained: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> list[str]:
    """Return a warning if a sample's granularity is not that of the events that a network was trained on.

    Parameters
    ----------
    trained : mapping
        What a checkpoint says of its training events.
    settings : mapping
        Settings in the manifest of the sample.
    where : str
        The sample, for the message.
    """
    ours, theirs = granularity_of(settings), trained.get(GRANULARITY)
    if ours is None or theirs is None:
        return []
    apart = [
        f"{name} towers of {_format(ours[name])} where the network was trained on {_format(theirs[name])}"
        for name in ours
        if name in theirs and not np.allclose(ours[name], theirs[name], rtol=TOLERANCE)
    ]
    if not apart:
        return []
    return [
        f"{where}: {'; '.join(apart)} (eta x phi): it does not know this detector; train it on such events"
    ]


def _own() -> Granularity:
    """Return the granularity of the detector that this package simulates."""
    return {
        name: [round(float(np.diff(calorimeter.edges[:2])[0]), 4), round(float(calorimeter.phi_steps[0]), 4)]
        for name, calorimeter in (("ECAL", ECAL), ("HCAL", HCAL))
    }


def _format(widths: list[float]) -> str:
    return " x ".join(f"{width:.3g}" for width in widths)
