"""The page of schedulers at equal regret, from what `benchmarks.schedulers` measured.

python -m benchmarks.schedulers_page RESULTS.json [--before DESIGN.json] [--out docs/search_efficiency.md]

DESIGN.json is another run, whose ratios stand beside: of the design halves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages import page_command, read_json, table
from benchmarks.scheduler_bounds import BOUNDS, bounds
from benchmarks.scheduler_goals import GOALS, REGRET, describe, reached
from benchmarks.schedulers import OWN
from mlpf_hpo.errors import DataError, MlpfHpoError
from mlpf_hpo.files import write_bytes, write_text
from mlpf_hpo.reporting.replay import frontier_figure, spread
from mlpf_hpo.search.yardsticks import RATIO_TO

AGAIN = "measure with: python -m benchmarks.schedulers --json FILE"
IMAGES = "images"

HEAD = """# Schedulers at equal regret

Written by `python -m benchmarks.schedulers_page` from the numbers of `python -m benchmarks.schedulers`:
recorded learning curves replayed through schedulers, {seeds} searches each on {workers} workers; a search
draws its configurations, their order and the durations of epochs by its seed, the same for every scheduler.

*Regret* is the final value of the best fully trained trial minus the best searched one, in units of median
minus best final value of the searched. *Epochs at* a regret are the least number of epochs, of all trials
together, after which its mean over the searches is at most that; what never reaches it counts as training
everything. *Ours*, `freeze_thaw`, has one default setting for all tables and priors, and does not end by
itself for this; of every other family the best setting is taken with hindsight, per table and regret.
Intervals (95 %) are those of other configurations, as many as the table has: searches are resampled with all
that every scheduler did with them, and deviations widened where searches share configurations. A ratio is at
most the number of searched configurations, and at least one over it: one full training against all of them,
which is what counts as never. An interval whose upper end is in the tens says that some resamples never reach
the regret, and no more.

{protocol}

Constants of `freeze_thaw` were found on design halves of the published curves, `alexnet`, `mnist` and the
tasks of `benchmarks.other_tasks`. One rule, how a search without a prior expects curves to change, was mended
on them after the final halves of `mlpf` and `breast_cancer` had been searched once, and another, when a
prior's losses are taken for those of another task, after that of `campaign-v1`; all other tables were
searched before
([decision 25](decisions/0025-trials-run-by-a-stopping-index.md)). A dash: does not apply, or is
of a family that was left out{without}.
"""

GOALS_HEAD = """
## Goals

Geometric means over tables at regret .02, epochs over those of the yardstick. *Kept tables* are all that are
no task of `benchmarks.other_tasks`; where they are the published ones alone, that goal is not measured.

"""

PROTOCOLS = {
    "design": "These are the tables' *design* halves, on which the scheduler was designed: a search halves "
    "them at random, one part is searched, the other is the prior. So these numbers are flattered. The final "
    "halves (`benchmarks/splits/`) had no part in it.",
    "final": "The final half of each table was searched, with the design half as the prior\n"
    "(`benchmarks/splits/`); the scheduler was designed on the design half.",
}

SECOND = ("mlpf", "breast_cancer", "campaign-v1")
"""Tables whose final halves an older version of the scheduler had searched."""

SEARCHED_BEFORE = (
    "Its final half was searched a second time: the first time by an older version of the scheduler, whose\n"
    "numbers are in [decision 25](decisions/0025-trials-run-by-a-stopping-index.md).\n\n"
)

CALIBRATION = """
## Calibration

What `freeze_thaw`, where it ends by itself, states that it missed, and what it did miss (nominal / actual,
with the interval of the actual one): how often a trial was *abandoned*, not trained in full, that is better
than the best one that was, or better by more than .02; how many such trials there are; regret. Nominal are
probabilities and expectations under its posterior of final values, as if those of the trials were
independent. Where they go together, the first two and the regret are stated too high; the number of better
trials needs no such assumption.

"""

KINDS = {
    "same": "the same task",
    "none": "none",
    "permuted": "permuted: the same, hyperparameters shuffled among configurations",
    "other": "another task's",
    "hidden": "the same, without hyperparameters",
}


def page(
    results: Mapping[str, Any], images: Mapping[str, str], design: Mapping[str, Any] | None = None
) -> str:
    """Return the page.

    Parameters
    ----------
    results : mapping
        What `benchmarks.schedulers` wrote.
    images : mapping
        Table -> its figure.
    design : mapping, optional
        Another run, of the design halves.
    """
    final = results["protocol"] == "final"
    protocol = PROTOCOLS[results["protocol"]]
    left_out = ", ".join(f"`{name}`" for name in results["without"])
    without = f" (here {left_out}, which stand in no goal and take most of the time)" if left_out else ""
    text = HEAD.format(seeds=results["seeds"], workers=results["workers"], protocol=protocol, without=without)
    text += GOALS_HEAD + _listed(results["goals"])
    if final:
        first = {name: one for name, one in results["tables"].items() if name not in SECOND}
        text += _of_some("Of tables whose final halves were searched for the first time", first, results)
    reaching = {name: one for name, one in results["tables"].items() if _frontier_reaches(one)}
    text += _of_some("Of tables on which the cold frontier reaches .02", reaching, results)
    if design is not None:
        text += f"\nOn design halves ({', '.join(design['tables'])}):\n\n{_listed(design['goals'])}"
    text += BOUNDS + table(*bounds(results["tables"]))
    if rows := _calibration(results["tables"]):
        text += CALIBRATION + table("| table | prior | abandoned | by > .02 | better ones | regret |", rows)
    for name, measured in results["tables"].items():
        before = SEARCHED_BEFORE if final and name in SECOND else ""
        beside = (design or {"tables": {}})["tables"].get(name)
        text += _of_table(name, measured, images[name], before, beside and beside["priors"])
    return text


def _frontier_reaches(measured: Mapping[str, Any]) -> bool:
    found = next(one for one in measured["priors"].values() if one)
    return bool(found["epochs_at"][REGRET]["cold_frontier"] < found["never"])


def _of_some(what: str, tables: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """Return the goals of some tables; nothing if that is none of them or all."""
    if not 0 < len(tables) < len(results["tables"]):
        return ""
    return f"\n{what} ({', '.join(tables)}):\n\n{_listed(reached(tables, OWN[1:]))}"


def _listed(goals: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"- {line}\n" for line in describe(goals))


def _calibration(tables: Mapping[str, Any]) -> list[list[str]]:
    """Return, by table and prior, what `freeze_thaw` states that it missed, and what it did."""
    forms = {"best_abandoned": ".0%", "noticeably": ".0%", "better": ".1f", "regret": ".3f"}
    rows = []
    for name, measured in tables.items():
        for kind, found in measured["priors"].items():
            stated = found and found["schedulers"]["freeze_thaw"]["calibration"]
            if stated:
                cells = [_beside(stated[field], form) for field, form in forms.items()]
                rows.append([name, _kind(kind, found), *cells])
    return rows


def _beside(one: Mapping[str, Mapping[str, float]], form: str) -> str:
    """Return what is nominal and what is actual; the interval of a share ends at 1, where others may not."""
    actual = dict(one["actual"])
    if form.endswith("%"):
        actual["high"] = min(actual["high"], 1.0)
    return f"{one['nominal']['mean']:{form}} / {spread(actual, form)}"


def _of_table(
    name: str, measured: Mapping[str, Any], image: str, before: str, design: Mapping[str, Any] | None
) -> str:
    priors = {kind: found for kind, found in measured["priors"].items() if found is not None}
    text = (
        f"\n## {name}\n\n{measured['configurations']} of {measured['available']} configurations searched, "
        f"{measured['prior_configurations']} in the prior, {measured['max_epochs']} epochs of "
        f"{measured['target']['metric']} ({measured['target']['mode']}).\n\n{before}"
    )
    families = list(next(iter(priors.values()))["epochs_at"][REGRET])
    for regret in ("0.02", "0.01"):
        titles = " | ".join(family.replace("_", " ") for family in families)
        rows = [[_kind(kind, found), *_epochs(found, regret, families)] for kind, found in priors.items()]
        text += f"Epochs at regret {regret}:\n\n{table(f'| prior | {titles} |', rows)}\n"
    text += (
        "Epochs of ours over theirs, at regret .02, and at most how much it should be in the worst table:\n\n"
        f"{_ratio_table(priors, design)}\n"
    )
    rows = [
        [_kind(kind, found), scheduler, *_figures(one)]
        for kind, found in priors.items()
        for scheduler, one in found["schedulers"].items()
        if kind == "same" or scheduler == "freeze_thaw"
    ]
    head = "| prior | scheduler | epochs | regret | makespan | best searched one abandoned |"
    text += f"Where schedulers end by themselves, at their defaults:\n\n{table(head, rows)}\n"
    return f"{text}![epochs at each regret on {name}, with a prior of the same task]({image})\n"


def _kind(kind: str, found: Mapping[str, Any]) -> str:
    return f"{KINDS[kind]} ({found['other']})" if "other" in found else KINDS[kind]


def _epochs(found: Mapping[str, Any], regret: str, families: list[str]) -> list[str]:
    epochs = [found["epochs_at"][regret][family] for family in families]
    return ["-" if one is None else "never" if one >= found["never"] else f"{one:.0f}" for one in epochs]


def _ratio_table(priors: Mapping[str, Any], design: Mapping[str, Any] | None) -> str:
    """Return the table of ratios, those of the design halves beside."""
    head = "| prior | over cold frontier | over best null | over Ray's ASHA |"
    rows = [[_kind(kind, found), *_ratios(kind, found)] for kind, found in priors.items()]
    if design is not None:
        head += " design halves: over cold frontier | over best null | over Ray's ASHA |"
        for row, kind in zip(rows, priors, strict=True):
            row += [_ratio(design.get(kind), name) for name in RATIO_TO]
    return table(head, rows)


def _ratio(found: Mapping[str, Any] | None, yardstick: str) -> str:
    ratio = found and found["ratio_to"][yardstick][REGRET]
    return spread(ratio, ".2f") if ratio else "-"


def _ratios(kind: str, found: Mapping[str, Any]) -> list[str]:
    worst = {goal.yardstick: goal.worst for goal in GOALS if kind in goal.priors and goal.worst}
    goals = {name: f" (goal {limit:.2f})" for name, limit in worst.items()}
    return [_ratio(found, name) + goals.get(name, "") for name in RATIO_TO]


def _figures(one: Mapping[str, Any]) -> list[str]:
    """Return epochs, regret, makespan, and how often the best searched trial was not trained to its end."""
    forms = {"epochs": ".0f", "regret": ".3f", "makespan": ".0f"}
    abandoned = f"{one['best_abandoned']:.0%}" if "best_abandoned" in one else "-"
    return [*(spread(one[name], form) for name, form in forms.items()), abandoned]


def write_page(results: Mapping[str, Any], out: Path, design: Mapping[str, Any] | None = None) -> None:
    """Write the page, and its figures beside it."""
    images = {}
    for name, measured in results["tables"].items():
        kind = "same" if measured["priors"].get("same") else next(iter(measured["priors"]))
        images[name] = f"{IMAGES}/search_{name}.png"
        figure = frontier_figure(measured["priors"][kind], f"{name}, prior: {KINDS[kind]}")
        write_bytes(out.parent / images[name], figure)
    write_text(out, page(results, images, design))


def _results(file: Path) -> dict[str, Any]:
    found = read_json(file, AGAIN)
    if not isinstance(found, dict) or {"protocol", "without", "tables", "goals"} - set(found):
        raise DataError(f"{file}: not what the benchmark writes; {AGAIN}")
    return found


def main() -> None:
    """Write the page."""
    options = page_command(__doc__, out="docs/search_efficiency.md", earlier=True)
    try:
        write_page(_results(options.results), options.out, options.before and _results(options.before))
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
