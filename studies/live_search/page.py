"""The site's page on real searches: ``python -m studies.live_search.page`` writes docs/live_search.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpf_hpo import console
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.reporting.replay import spread
from mlpf_hpo.reporting.tables import Table
from studies.live_search.comparison import DIFFERENCES
from studies.markdown import markdown

IMAGES = "images"

STUDIES = {
    "campaign_v1": (
        "At the size of campaign-v1, which is the prior",
        "Events and networks are of the sizes of campaign-v1, and none of its configurations is drawn; "
        "trainings end earlier than its 50 epochs. The other schedulers have no prior.",
    ),
    "prior": (
        "At the size of the pipeline, with several priors",
        "All are `freeze_thaw`: with the pipeline's own campaign as the prior, as by default; with "
        "campaign-v1, whose events and networks are of other sizes; and without.",
    ),
}
"""Folders of `studies/live_search`: what they are, and what there is to know of them."""

GOALS = {"campaign_v1": ("freeze_thaw", 0.4, 1.0)}
"""Scheduler, most epochs beside the yardstick's, how many deviations between seeds it may be worse by."""

HEAD = """# Schedulers in real searches

Written by `python -m studies.live_search.page` from what the stages of `studies/live_search` measured;
`dvc repro` of the `dvc.yaml` in one of its folders measures it again. MLPF is trained for real, under Ray
Tune on the CPUs of one machine; every scheduler gets the same streams of configurations with the same seeds.
What it found best on a stream is then trained again with other seeds, which takes the luck out: a search's
best loss is the luckiest of many trainings.
"""


def live_search_page(studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page.

    Parameters
    ----------
    studies : mapping
        Folder of `STUDIES` -> what `compare_schedulers` found there.
    """
    text = HEAD
    for name, compared in studies.items():
        title, about = STUDIES[name]
        text += f"\n## {title}\n\n{about}\n\n{_goals(name, compared)}"
        text += markdown(table_of_searches(compared))
        text += f"\n![Epochs and best loss of every search]({IMAGES}/{_image(name)})\n"
    return text


def table_of_searches(compared: Mapping[str, Any]) -> Table:
    """Return what each scheduler took and found, and how it stands to the yardstick."""
    rows = []
    for key, one in compared["schedulers"].items():
        minutes = {which: seconds / 60 for which, seconds in one["wall_seconds"].items()}
        own = [spread(one["epochs"], ".0f"), spread(minutes, ".1f")]
        own += [spread(one[name], ".1f") for name in ("best_loss", "retrained_loss")]
        other = [spread(one[name], ".2f") if name in one else "–" for name in ("epochs_ratio", *DIFFERENCES)]
        rows.append((key, *own, *other))
    caption = (
        f"{compared['streams']} streams of {compared['configurations']} configurations, at most "
        f"{compared['max_epochs']} epochs; means with 95 % bootstrap intervals over streams. The last three "
        f"columns are beside {compared['yardstick']}: epochs over its epochs, and how much worse the best "
        "loss is, as it was found and where that configuration was trained again. Seeds alone make a "
        f"standard deviation of {compared['deviation_between_seeds']:.2g}."
    )
    of_each, beside = (
        ("epochs", "minutes", "best loss", "trained again"),
        ("epochs, ratio", "worse by", "trained again"),
    )
    return Table(caption, ("search", *of_each, *beside), rows)


def _goals(name: str, compared: Mapping[str, Any]) -> str:
    """Return a line for each goal, and whether it is reached."""
    if name not in GOALS:
        return ""
    key, most_epochs, most_deviations = GOALS[name]
    one, yardstick = compared["schedulers"][key], compared["yardstick"]
    ratio = one["epochs_ratio"]["mean"]
    lines = [
        f"- epochs of {key} over those of {yardstick}: goal {most_epochs:g}, {_reached(ratio, most_epochs)}"
    ]
    for difference, what in zip(DIFFERENCES, ("as found", "trained again"), strict=True):
        worse = one[difference]["high_over_deviation"]
        lines.append(
            f"- upper 95 % bound of how much worse its best loss is, {what}, in standard deviations between "
            f"seeds: goal {most_deviations:g}, {_reached(worse, most_deviations)}"
        )
    return "\n".join(lines) + "\n\n"


def _reached(found: float, goal: float) -> str:
    return f"{found:.2f}: {'reached' if found <= goal else 'not reached'}"


def _image(name: str) -> str:
    return f"live_search_{name}.png"


def main() -> None:
    """Write docs/live_search.md, and the figures beside it."""
    from mlpf_hpo.files import read_json

    out = Path("docs/live_search.md")
    found = {}
    for name in STUDIES:
        results = Path("studies/live_search", name, "results")
        if (results / "metrics.json").exists():
            found[name] = read_json(results / "metrics.json", name)
            write_bytes(out.parent / IMAGES / _image(name), (results / "search.png").read_bytes())
    write_text(out, live_search_page(found))
    console.out.print(f"live search: {out}")


if __name__ == "__main__":
    console.run(main)
