"""Sphinx: draws the picture of the concepts, with a replay of shipped curves, for light and dark pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from sphinx.application import Sphinx

import mlpf_hpo
from mlpf_hpo.plotting import BLUE, GREEN, GREY, INK, ORANGE, canvas

DATA_SET, SEED, WORKERS = "campaign-v0", 1, 4
PAGES = {"light": "#1b1f24", "dark": "#d8dde3"}
"""Colour of text by the kind of page."""

WORDS = {
    "trial": (0.17, 0.83, "trial", "one training of a\nconfiguration; its curve"),
    "campaign": (0.83, 0.83, "campaign", "many trials in full:\na data set of curves"),
    "predictor": (0.83, 0.17, "predictor", "observed epochs in,\nfinal value and interval out"),
    "scheduler": (0.17, 0.17, "scheduler", "starts, pauses, resumes\nand stops trials"),
}
"""Where each concept stands, its name, and what it is."""

HALF_WIDTH, HALF_HEIGHT = 0.17, 0.13
"""Of a concept's box."""

ARROWS = (
    ("trial", "campaign", "random configurations", (0.5, 0.865)),
    ("campaign", "predictor", "fitted on", (0.87, 0.5)),
    ("campaign", "scheduler", "prior", (0.47, 0.53)),
    ("predictor", "scheduler", "expects", (0.5, 0.205)),
    ("scheduler", "trial", "epoch by epoch", (0.13, 0.5)),
)


def draw(folder: Path) -> None:
    """Write concepts-light.svg and concepts-dark.svg."""
    prior, searched = mlpf_hpo.load_curves(DATA_SET, "design"), mlpf_hpo.load_curves(DATA_SET, "final")
    epochs = searched.values.shape[1]
    scheduler = mlpf_hpo.make_scheduler(
        "freeze_thaw", prior=prior, max_epochs=epochs, mode=searched.target.mode
    )
    found = mlpf_hpo.simulate(searched, scheduler, workers=WORKERS, seed=SEED)
    with canvas(columns=2, width=11.0, height=4.4) as (figure, (left, right)):
        draw_words(left)
        draw_search(right, searched, found)
        folder.mkdir(exist_ok=True)
        for page, colour in PAGES.items():
            file = folder / f"concepts-{page}.svg"
            figure.savefig(file, metadata={"Date": None})
            file.write_text(file.read_text(encoding="utf-8").replace(INK, colour), encoding="utf-8")


def draw_words(axes: Axes) -> None:
    """Draw the concepts and what passes from one to another."""
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    for start, end, text, place in ARROWS:
        (x, y), (to_x, to_y) = WORDS[start][:2], WORDS[end][:2]
        begin, finish = edge((x, y), (to_x, to_y)), edge((to_x, to_y), (x, y))
        axes.annotate(
            "", finish, begin, arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0}
        )
        turn = {"rotation": 90} if x == to_x else {}
        axes.text(*place, text, ha="center", va="center", fontsize=9, style="italic", **turn)
    for x, y, name, text in WORDS.values():
        corner = (x - HALF_WIDTH, y - HALF_HEIGHT)
        shape = "round,pad=0,rounding_size=0.03"
        axes.add_patch(
            FancyBboxPatch(corner, 2 * HALF_WIDTH, 2 * HALF_HEIGHT, boxstyle=shape, fc="none", ec=BLUE)
        )
        axes.text(x, y + 0.065, name, ha="center", va="center", fontsize=12, weight="bold", color=BLUE)
        axes.text(x, y - 0.045, text, ha="center", va="center", fontsize=8.5)


def edge(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from a box's centre to another point leaves the box."""
    x, y = (there - here for here, there in zip(centre, towards, strict=True))
    share = min(HALF_WIDTH / abs(x) if x else np.inf, HALF_HEIGHT / abs(y) if y else np.inf)
    return centre[0] + share * x, centre[1] + share * y


def draw_search(axes: Axes, curves: Any, found: Any) -> None:
    """Draw what a scheduler trained of each curve, and what it left."""
    values = curves.values
    n_epochs = values.shape[1]
    steps = np.arange(1, n_epochs + 1)
    colours = {"trained to the end": GREEN, "paused or stopped": ORANGE, "never started": GREY}
    of_kind = dict.fromkeys(colours, 0)
    for row, trial in zip(values, found.trials, strict=True):
        n = trial.epochs
        kind = "never started" if n == 0 else "trained to the end" if n == n_epochs else "paused or stopped"
        of_kind[kind] += 1
        axes.plot(steps, row, color=GREY, lw=0.6, alpha=0.35)
        axes.plot(
            steps[:n], row[:n], color=colours[kind], lw=1.8, marker="o", ms=3.5 if n == 1 else 0, zorder=3
        )
    for kind, colour in colours.items():
        axes.plot(
            [], [], color=colour, lw=0.6 if kind == "never started" else 1.8, label=f"{of_kind[kind]} {kind}"
        )
    low = np.nanmin(values)
    axes.set(xlabel="epoch", ylabel=curves.target.metric, ylim=(low - 4, low + 130))
    axes.set_title(
        f"A search with a prior: {found.epochs} epochs of training instead of {values.size}", loc="left"
    )
    axes.legend(loc="upper right")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: draw(Path(app.srcdir) / "_generated"))
    return {"parallel_read_safe": True}
