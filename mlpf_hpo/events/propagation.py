"""Propagation of particles to the calorimeters: a helix in the solenoid's field, a line without charge."""

from __future__ import annotations

import numpy as np

from mlpf_hpo.array_types import FloatArray

FIELD, RADIUS, HALF_LENGTH = 3.8, 1.29, 3.00
"""The solenoid: tesla along z, and the calorimeters' cylinder in m."""

BENDING = 0.299792458
"""A charge e of momentum p GeV in a field of B tesla bends with a radius of p / (BENDING B) m."""


def propagate(charge: FloatArray, momentum: FloatArray, vertex: FloatArray) -> FloatArray:
    """Return where each particle first meets the cylinder's face.

    Parameters
    ----------
    charge : array [n]
        Units of e.
    momentum : array [n, 4]
        px, py, pz, E in GeV.
    vertex : array [n, 3]
        Starting points in m, inside the cylinder.

    Returns
    -------
    array [n, 3]
        Positions in m; NaN for a particle that never arrives.
    """
    position = np.full_like(vertex, np.nan)
    neutral = charge == 0
    inside = (np.hypot(vertex[:, 0], vertex[:, 1]) < RADIUS) & (np.abs(vertex[:, 2]) < HALF_LENGTH)
    for chosen, trace in ((neutral & inside, _line), (~neutral & inside, _helix)):
        if chosen.any():
            position[chosen] = trace(charge[chosen], momentum[chosen], vertex[chosen])
    return position


def _to_end_face(vz: FloatArray, z: FloatArray) -> FloatArray:
    """Return c t until |z| = HALF_LENGTH, infinite for a particle that moves in the transverse plane."""
    with np.errstate(divide="ignore"):
        return np.where(vz == 0, np.inf, (np.copysign(HALF_LENGTH, vz) - z) / vz)


def _line(_charge: FloatArray, momentum: FloatArray, vertex: FloatArray) -> FloatArray:
    velocity = momentum[:, :3] / momentum[:, 3:]
    x, y, z = vertex.T
    vx, vy, vz = velocity.T
    transverse = vx**2 + vy**2
    along = x * vx + y * vy
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(along**2 + transverse * (RADIUS**2 - x**2 - y**2))
        to_barrel = np.where(transverse == 0, np.inf, (root - along) / transverse)
    t = np.minimum(to_barrel, _to_end_face(vz, z))
    return vertex + velocity * t[:, None]


def _helix(charge: FloatArray, momentum: FloatArray, vertex: FloatArray) -> FloatArray:
    x, y, z = vertex.T
    px, py, pz, energy = momentum.T
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    radius = pt / (BENDING * charge * FIELD)  # signed: positive charges turn clockwise
    omega = BENDING * charge * FIELD / energy  # rad per m of c t
    centre_x, centre_y = x + radius * np.sin(phi), y - radius * np.cos(phi)
    distance, direction = np.hypot(centre_x, centre_y), np.arctan2(centre_y, centre_x)
    # On the barrel: RADIUS^2 = distance^2 + radius^2 + 2 radius distance sin(direction - phi(t)). Of the two
    # solutions of a turn, that of the arcsine leaves the cylinder; at pi minus it, the helix would come back.
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = (RADIUS**2 - distance**2 - radius**2) / (2 * radius * distance)
        leaves = np.mod((np.arcsin(sine) - direction + phi) / omega, 2 * np.pi / np.abs(omega))
    to_barrel = np.where(np.abs(sine) <= 1, leaves, np.inf)
    t = np.minimum(to_barrel, _to_end_face(pz / energy, z))
    arrives = np.isfinite(t)
    t = np.where(arrives, t, 0.0)
    turned = phi - omega * t
    out = np.stack(
        [centre_x - radius * np.sin(turned), centre_y + radius * np.cos(turned), z + pz / energy * t], axis=1
    )
    out[~arrives] = np.nan
    return out


def pseudorapidity(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Return eta of a direction; infinite along the beam."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.arcsinh(z / np.hypot(x, y))
