"""The way to the calorimeters: closed forms, and an independent integration of the equation of motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import c as light_speed
from scipy.integrate import solve_ivp

from mlpf_hpo.events.propagation import propagate, pseudorapidity

B, R, L = 3.8, 1.29, 3.00


def one(
    charge: float, px: float, py: float, pz: float, mass: float, vertex: tuple[float, float, float]
) -> np.ndarray:
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    return propagate(np.array([charge]), np.array([[px, py, pz, energy]]), np.array([vertex]))[0]


def integrated(
    charge: float, px: float, py: float, pz: float, mass: float, vertex: tuple[float, float, float]
) -> np.ndarray:
    """Integrate dx/ds = p / |p|, dp/ds = q p / |p| x B with B along z, to the cylinder's face."""
    p = np.sqrt(px**2 + py**2 + pz**2)
    kick = charge * B * light_speed * 1e-9  # GeV per m

    def motion(s: float, y: np.ndarray) -> list[float]:
        ux, uy, uz = y[3] / p, y[4] / p, y[5] / p
        return [ux, uy, uz, kick * uy, -kick * ux, 0.0]

    def barrel(s: float, y: np.ndarray) -> float:
        return float(np.hypot(y[0], y[1]) - R)

    def end_face(s: float, y: np.ndarray) -> float:
        return float(abs(y[2]) - L)

    barrel.terminal = end_face.terminal = True  # type: ignore[attr-defined]
    way = solve_ivp(
        motion,
        (0, 60),
        [*vertex, px, py, pz],
        method="DOP853",
        rtol=1e-9,
        atol=1e-10,
        events=(barrel, end_face),
        max_step=0.2,
    )
    assert way.status == 1
    return np.asarray(way.y[:3, -1])


@pytest.mark.parametrize("charge", [-1.0, 1.0])
@pytest.mark.parametrize(
    ("px", "py", "pz", "vertex"),
    [
        (10.0, -3.0, 4.0, (0.0, 0.0, 0.0)),
        (0.9, 0.4, -0.2, (0.0, 0.0, 0.05)),
        (0.5, 0.6, 0.3, (0.01, -0.02, -0.1)),  # just reaches the barrel
        (0.2, -0.3, 0.4, (0.0, 0.0, 0.0)),  # turns in the field and leaves through the end
        (-0.05, 0.1, -0.9, (0.0, 0.0, 0.03)),
        (-0.3, 0.2, 0.5, (0.7, 0.6, 1.0)),  # starts far from the beam
        (0.1, 0.2, -8.0, (0.0, 0.0, 0.0)),
    ],
)
def test_helix_agrees_with_the_equation_of_motion(
    charge: float, px: float, py: float, pz: float, vertex: tuple[float, float, float]
) -> None:
    args = (charge, px, py, pz, 0.13957, vertex)
    assert one(*args) == pytest.approx(integrated(*args), abs=2e-6)


def test_helix_from_the_origin_has_a_closed_form() -> None:
    pt, pz, phi = 2.0, 1.0, 0.7
    x, y, z = one(1.0, pt * np.cos(phi), pt * np.sin(phi), pz, 0.10566, (0.0, 0.0, 0.0))
    radius = pt / (0.299792458 * B)
    half_turn = np.arcsin(R / (2 * radius))
    assert np.arctan2(y, x) == pytest.approx(phi - half_turn)  # a positive charge turns clockwise
    assert z == pytest.approx(2 * radius * half_turn * pz / pt)


def test_neutral_particles_go_straight() -> None:
    assert one(0.0, 3.0, 4.0, 1.0, 0.0, (0.0, 0.0, 0.1)) == pytest.approx(
        [R * 0.6, R * 0.8, 0.1 + R / 5.0 * 1.0]
    )
    assert one(0.0, 0.3, 0.4, -10.0, 0.5, (0.0, 0.0, 0.0)) == pytest.approx([0.09, 0.12, -L])
    assert one(0.0, 0.0, 0.0, 5.0, 0.5, (0.1, 0.2, 0.0)) == pytest.approx([0.1, 0.2, L])


def test_a_stiff_track_is_nearly_straight() -> None:
    straight = one(0.0, 300.0, 400.0, 700.0, 0.0, (0.0, 0.0, 0.0))
    bent = one(1.0, 3e3, 4e3, 7e3, 0.13957, (0.0, 0.0, 0.0))
    assert bent == pytest.approx(straight, abs=3e-4)  # bends by R^2 / 2 r with a radius r of 4.4 km
    assert np.linalg.norm(bent - straight) == pytest.approx(R**2 * 0.299792458 * B / 2 / 5e3, rel=1e-2)


@pytest.mark.parametrize(
    ("px", "pz", "vertex"),
    [
        (0.3, 0.0, (0.0, 0.0, 0.0)),  # circles for ever
        (5.0, 1.0, (1.3, 0.0, 0.0)),  # born outside
        (5.0, 1.0, (0.0, 0.0, -3.0)),
    ],
)
def test_particles_that_never_arrive_have_no_position(
    px: float, pz: float, vertex: tuple[float, float, float]
) -> None:
    assert np.isnan(one(1.0, px, 0.0, pz, 0.1, vertex)).all()


momenta = st.floats(-50, 50).filter(lambda p: abs(p) > 1e-3)


@given(
    charge=st.sampled_from([-1.0, 0.0, 1.0]),
    px=momenta,
    py=momenta,
    pz=momenta,
    x=st.floats(-0.5, 0.5),
    y=st.floats(-0.5, 0.5),
    z=st.floats(-2.9, 2.9),
)
def test_all_arrive_on_the_face(
    charge: float, px: float, py: float, pz: float, x: float, y: float, z: float
) -> None:
    at = one(charge, px, py, pz, 0.14, (x, y, z))
    r = np.hypot(at[0], at[1])
    assert r == pytest.approx(R, abs=1e-6) or abs(at[2]) == pytest.approx(L, abs=1e-9)
    assert r < R + 1e-6
    assert abs(at[2]) < L + 1e-9


def test_pseudorapidity() -> None:
    theta = np.array([0.1, 1.0, np.pi / 2, 3.0])
    expected = -np.log(np.tan(theta / 2))
    assert pseudorapidity(np.sin(theta), np.zeros(4), np.cos(theta)) == pytest.approx(expected, abs=1e-12)
    assert pseudorapidity(np.zeros(1), np.zeros(1), np.array([-1.0]))[0] == -np.inf
