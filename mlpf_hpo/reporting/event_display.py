"""An event as physicists look at it: the plane of pseudorapidity and azimuth."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from mlpf_hpo.array_types import BoolArray
from mlpf_hpo.events.jets import RADIUS
from mlpf_hpo.events.schema import CLASSES, TRACK_FEATURES, Event, FloatArray, format_pileup
from mlpf_hpo.events.summary import KINDS, element_kinds
from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, RED, canvas

KIND_LOOKS = ((INK, "+"), (ORANGE, "o"), (BLUE, "s"))
"""Colour and marker of `KINDS`."""

CLASS_LOOKS = ((INK, "+"), (BLUE, "s"), (ORANGE, "o"), (GREEN, "^"), (RED, "D"))
"""Colour and marker of `CLASSES`, without the first."""

LARGEST, SMALLEST = 260.0, 1.5
"""Areas of markers in points squared: of the largest transverse momentum of an event, and the least drawn."""

COVERED = 14_000.0
"""Sum of the areas in a panel that still leaves single particles visible, points squared."""

JETS_DRAWN = 6

OUTER_ETA = TRACK_FEATURES.index("eta_outer")


def event_display(event: Event, reconstruction: FloatArray | None = None, title: str = "") -> Figure:
    """Draw an event: what the detector saw, what there was, and what a reconstruction makes of it.

    Parameters
    ----------
    event : Event
        The event.
    reconstruction : array [N, 7], optional
        Particles by element, such as a network's; else the event's rule-based candidates, if it has them.
    title : str
        Names the reconstruction.

    Returns
    -------
    Figure
        Marker areas are proportional to pt (ET of towers), on one scale for all panels. Tracks stand where
        they reach the calorimeter, particles where they set out to.
    """
    if reconstruction is None and event.candidates is not None:
        reconstruction, title = event.candidates, "rule-based particle flow"
    particles = {"generator targets": event.targets}
    if reconstruction is not None:
        particles[title] = reconstruction
    scale = _area_per_gev([event.features[:, 1], *(table[:, 2] for table in particles.values())])
    n_panels = 1 + len(particles)
    with canvas(n_panels, width=5.6 * n_panels, height=5.5) as (figure, axes):
        _draw_elements(axes[0], event, scale)
        for axis, (name, table) in zip(axes[1:], particles.items(), strict=True):
            # One particle may stand at several elements.
            _draw_particles(axis, np.unique(table[table[:, 0] > 0], axis=0), name, scale)
        _draw_jets(axes[1], event)
        for axis in axes:
            axis.set(
                xlim=(-5.2, 5.2), ylim=(-np.pi, np.pi), xlabel="pseudorapidity η", aspect="equal", anchor="N"
            )
            axis.set_yticks([-np.pi, -np.pi / 2, 0, np.pi / 2, np.pi], ["−π", "−π/2", "0", "π/2", "π"])
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=9.5)
        axes[0].set_ylabel("azimuth φ [rad]")
        figure.suptitle(
            f"{event.process}, 14 TeV, {format_pileup(event.pileup)}, event {event.number}", fontsize=12
        )
    return figure


def _area_per_gev(momenta: list[FloatArray]) -> float:
    largest = max(float(pt.max(initial=0.0)) for pt in momenta)
    total = max(float(pt.sum()) for pt in momenta)
    return min(LARGEST / max(largest, 1.0), COVERED / max(total, 1.0))


def _draw_elements(axis: Axes, event: Event, scale: float) -> None:
    kinds, seen = element_kinds(event.features), event.features
    eta, sin, cos = (np.where(kinds == 0, seen[:, OUTER_ETA + i], seen[:, 2 + i]) for i in range(3))
    for i in (2, 1, 0):  # tracks on top
        label = f"{KINDS[i]} ({int((kinds == i).sum())})"
        _scatter(axis, eta, np.arctan2(sin, cos), seen[:, 1] * scale, kinds == i, KIND_LOOKS[i], label)
    for pt in (1, 10, 100):
        if pt * scale <= LARGEST:
            area = max(pt * scale, SMALLEST)
            axis.scatter([], [], s=area, c=GREY, linewidths=0, label=f"{pt} GeV ($p_T$, $E_T$)")
    axis.set_title(f"detector: {len(event)} elements")


def _draw_particles(axis: Axes, rows: FloatArray, name: str, scale: float) -> None:
    phi = np.arctan2(rows[:, 4], rows[:, 5])
    for i, look in enumerate(CLASS_LOOKS, start=1):
        chosen = rows[:, 0] == i
        label = f"{CLASSES[i]} ({int(chosen.sum())})"
        _scatter(axis, rows[:, 3], phi, rows[:, 2] * scale, chosen, look, label)
    axis.set_title(f"{name}: {len(rows)} particles")


def _scatter(
    axis: Axes,
    eta: FloatArray,
    phi: FloatArray,
    area: FloatArray,
    chosen: BoolArray,
    look: tuple[str, str],
    label: str,
) -> None:
    colour, marker = look
    width = 0.7 if marker == "+" else 0.0
    opacity = 0.85 if len(eta) < 1000 else 0.7
    sizes = np.maximum(area[chosen], SMALLEST)
    axis.scatter(eta[chosen], phi[chosen], s=sizes, c=colour, marker=marker, alpha=opacity, linewidths=width)
    axis.scatter([], [], s=30, c=colour, marker=marker, linewidths=width, label=label)


def _draw_jets(axis: Axes, event: Event) -> None:
    """Draw the hardest jets of the generator, with their pt."""
    if event.generator_jets is None or not len(event.generator_jets):
        return
    for pt, eta, phi, _ in event.generator_jets[:JETS_DRAWN]:
        for turn in (0.0, -2 * np.pi, 2 * np.pi):  # near the edge a jet is seen on both sides
            place = (eta, phi + turn)
            axis.add_patch(Ellipse(place, 2 * RADIUS, 2 * RADIUS, fill=False, color=GREY, linewidth=1.3))
        axis.annotate(f"{pt:.0f}", (eta + 1.1 * RADIUS, phi), fontsize=9, va="center", clip_on=True)
    label = "hardest jets ($p_T$ in GeV)"
    axis.scatter([], [], s=70, facecolors="none", edgecolors=GREY, linewidths=1.3, label=label)
