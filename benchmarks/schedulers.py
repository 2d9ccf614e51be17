"""Epochs of the default scheduler at equal regret beside the best of other schedulers, on tables of curves.

``python -m benchmarks.schedulers [--quick] [--json FILE [--go-on]] [--table NAME[=FILE[:PREFIX[:MODE]]]]...
[--split [NAME=]FILE]... [--seeds N] [--priors KIND,...] [--other NAME=FILE] [--without FAMILY,...]
[--final]``. A table without a file is one of this project's: ``mlpf``, the published curves, clean rows
(`MLPF_HPO_REFERENCE_DIR`), or a task of `benchmarks.other_tasks`; ``own`` is all of them, the default. Splits
are those in benchmarks/splits; another table's is made from its name unless one is given.

While schedulers are designed, each seed halves the *design* part at random: one half is searched, the other
is the prior. ``--final``, once: the final part is searched, the design part is the prior. Priors: ``same``,
of the same task; ``none``; ``permuted``, the same with its hyperparameters shuffled among configurations;
``other``, the campaign of another table that shares a hyperparameter, or of ``--other``; ``hidden``, the
same without hyperparameters. The default scheduler has one setting for all; yardsticks are chosen with
hindsight. ``--without`` leaves out families that stand in no goal: those take most of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import listed
from benchmarks.near_best import near_best
from benchmarks.other_tasks import RISING, TASKS
from benchmarks.pages import read_json
from benchmarks.scheduler_goals import describe, reached
from benchmarks.splits import FOLDER, split_of
from benchmarks.tables import MLPF, named_table, other_task, published_curves
from benchmarks.tpe_family import TPE, tpe_family
from mlpf_hpo import console
from mlpf_hpo.array_types import IntArray
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.curves.split_file import PARTS, split_rows
from mlpf_hpo.errors import ConfigurationError, MlpfHpoError
from mlpf_hpo.files import write_json
from mlpf_hpo.hardware.host import usable_cpus
from mlpf_hpo.reporting.replay import UNTRAINED
from mlpf_hpo.search.comparison import PREDICTED, compare, families_for, untrained_best
from mlpf_hpo.search.draws import DrawPlan
from mlpf_hpo.search.priors import HIDDEN, NONE, OTHER, PERMUTED, SAME, DrawWithPrior
from mlpf_hpo.search.replay import ReplayedSearch, replay
from mlpf_hpo.search.scheduler_spec import SchedulerSpec
from mlpf_hpo.search.yardsticks import THRESHOLDS, all_members, cold_families

OWN = (MLPF, *TASKS, RISING)
PRIORS = (SAME, NONE, PERMUTED, OTHER, HIDDEN)
OPTIONAL = (TPE, PREDICTED)
"""Families that may be left out."""

SEEDS, QUICK_SEEDS = 24, 2
WORKERS = 8
SIZES = {MLPF: (45, 45)}
DEFAULT_SIZES = (80, 50)
"""Configurations that are searched, and that are in the prior."""

SHOWN = {
    "freeze_thaw": SchedulerSpec("freeze_thaw"),
    "asha": SchedulerSpec("asha"),
    "promotion_asha": SchedulerSpec("promotion_asha"),
    "hyperband": SchedulerSpec("hyperband"),
}
"""Schedulers whose own end is stated, at their default settings."""

Searches = dict[str, tuple[ReplayedSearch, ...]]


class Table:
    """A table of curves, split into a design and a final part.

    Parameters
    ----------
    name : str
        Of the table.
    curves : LearningCurves
        All of it.
    split : mapping of str to array
        The rows of both parts.
    """

    def __init__(self, name: str, curves: LearningCurves, split: Mapping[str, IntArray]) -> None:
        self.name = name
        self.curves = curves
        self.split = split

    @property
    def design(self) -> LearningCurves:
        """The design part."""
        return self.curves.select(self.split["design"])

    def plan(self, final: bool) -> DrawPlan:
        """Return what draws searches and priors."""
        searched, prior = SIZES.get(self.name, DEFAULT_SIZES)
        n = {part: len(set(self.curves.groups[rows])) for part, rows in self.split.items()}
        if final:
            sizes = min(searched, n["final"]), min(prior, n["design"])
            return DrawPlan(self.curves, *sizes, self.split["final"], self.split["design"])
        if searched + prior > n["design"]:
            searched = round(n["design"] * searched / (searched + prior))
            prior = n["design"] - searched
        return DrawPlan(self.design, searched, prior)

    def as_prior(self, n: int) -> LearningCurves:
        """Return n configurations of the design part, for another table."""
        return some_of(self.design, n)


def some_of(curves: LearningCurves, n: int) -> LearningCurves:
    """Return n configurations of a campaign at most, each once."""
    return DrawPlan(curves, min(n, len(set(curves.groups))), 0).draw(0).searched


def read_tables(texts: list[str], splits: list[str]) -> dict[str, Table]:
    """Return the tables that are named.

    Raises
    ------
    MlpfHpoError
        If one cannot be read or split.
    """
    texts = [name for text in texts or ["own"] for name in (OWN if text == "own" else [text])]
    files = {}
    for text in splits:
        name, equals, file = text.partition("=")
        files[name if equals else ""] = Path(file if equals else text)
    found: dict[str, Table] = {}
    for text in texts:
        name, curves = named_table(text) if "=" in text else (text, _own(text))
        if name in found:
            raise ConfigurationError(f"--table: {name} is named twice")
        found[name] = Table(name, curves, _split(name, curves, files))
    if unknown := set(files) - {*found, ""}:
        raise ConfigurationError(f"--split: no table {min(unknown)}; there are {', '.join(found)}")
    return found


def _own(name: str) -> LearningCurves:
    if name not in OWN:
        raise ConfigurationError(f"--table {name}: NAME=FILE, or one of own, {', '.join(OWN)}")
    return published_curves() if name == MLPF else other_task(name)


def _split(name: str, curves: LearningCurves, files: Mapping[str, Path]) -> dict[str, IntArray]:
    stored = FOLDER / f"{'digits' if name == RISING else name}.json"
    file = files.get(name) or files.get("") or (stored if stored.exists() else None)
    if file is not None:
        return {part: split_rows(file, part, curves.groups) for part in PARTS}
    print(f"{name}: no split is given: halves are drawn by its name", flush=True)
    return {part: np.array(rows) for part, rows in split_of(name, curves.groups).items()}


def other_of(table: Table, tables: Mapping[str, Table]) -> Table | None:
    """Return the next table that shares a hyperparameter and the mode; None without such."""
    names = list(tables)
    after = names.index(table.name) + 1
    for name in (*names[after:], *names[: after - 1]):
        other = tables[name].curves
        shared = set(other.hyperparameters) & set(table.curves.hyperparameters)
        if shared and other.mode == table.curves.mode:
            return tables[name]
    return None


def other_campaign(
    table: Table, tables: Mapping[str, Table], n: int, given: LearningCurves | None
) -> tuple[str, LearningCurves] | None:
    """Return name and curves of another task's campaign of n configurations at most; None without one."""
    if given is not None:
        return given.source, some_of(given, n)
    other = other_of(table, tables)
    return other and (other.name, other.as_prior(n))


def measure(table: Table, tables: Mapping[str, Table], options: argparse.Namespace) -> dict[str, Any]:
    """Return what is measured on a table, prior by prior."""
    plan = table.plan(options.final)
    n_epochs, sizes = plan.curves.n_epochs, plan.sizes
    cold = _replay(DrawWithPrior(plan, NONE), all_members(cold_families(n_epochs)), options, f"{table.name}")
    found: dict[str, Any] = {}
    for kind in options.priors:
        other = other_campaign(table, tables, sizes.prior, options.other) if kind == OTHER else None
        if kind == OTHER and other is None:
            print(f"{table.name}: no other table shares a hyperparameter: not measured with one", flush=True)
            found[kind] = None
            continue
        draw = DrawWithPrior(plan, kind, other and other[1])
        first = draw(0)
        families = {**families_for(first), TPE: tpe_family(first), **dict.fromkeys(options.without, ())}
        members = all_members(families) | {str(one): one for one in SHOWN.values()}
        rest = {text: one for text, one in members.items() if text not in cold}
        replays = cold | _replay(draw, rest, options, f"{table.name}, prior {kind}")
        found[kind] = compare(SHOWN, families, replays, sizes, n_epochs)
        if kind == SAME:
            draws = [draw(seed) for seed in range(options.seeds)]
            found[kind]["schedulers"][UNTRAINED] = untrained_best(draws, sizes)
        if other is not None:
            found[kind]["other"] = other[0]
        _print(table.name, kind, found[kind])
    return {
        "target": table.curves.target.to_dict(),
        "max_epochs": n_epochs,
        "configurations": sizes.searched,
        "prior_configurations": sizes.prior,
        "available": sizes.available,
        "near_best": near_best([plan.draw(seed).searched for seed in range(options.seeds)], THRESHOLDS),
        "priors": found,
    }


def _replay(
    draw: DrawWithPrior, members: Mapping[str, SchedulerSpec], options: argparse.Namespace, title: str
) -> Searches:
    makers = {text: one.make for text, one in members.items()}
    with console.progress_bar(title) as progress:
        return replay(draw, makers, WORKERS, range(options.seeds), jobs=usable_cpus(), progress=progress)


def _print(name: str, kind: str, found: Mapping[str, Any]) -> None:
    ratios = {
        yardstick: by_regret["0.02"]["mean"]
        for yardstick, by_regret in found["ratio_to"].items()
        if by_regret["0.02"]
    }
    epochs = ", ".join(
        f"{family} {value:.0f}" for family, value in found["epochs_at"]["0.02"].items() if value is not None
    )
    text = ", ".join(f"{value:.2f} of {yardstick}" for yardstick, value in ratios.items())
    print(f"{name}, prior {kind}: ours takes {text}; epochs at .02: {epochs}", flush=True)


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two seeds, one table of this project")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, table by table")
    parser.add_argument("--go-on", action="store_true", help="measure the tables that FILE has not got yet")
    parser.add_argument(
        "--table", action="append", default=[], metavar="NAME[=FILE[:PREFIX[:MODE]]]", help="repeatable"
    )
    parser.add_argument(
        "--split", action="append", default=[], metavar="[NAME=]FILE", help="of all tables, or one"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each scheduler")
    parser.add_argument("--priors", default=",".join(PRIORS), metavar="KIND,...", help="kinds of priors")
    parser.add_argument("--other", metavar="NAME=FILE", help="the campaign of prior `other`, for all tables")
    parser.add_argument(
        "--without", default="", metavar="FAMILY,...", help=f"of {', '.join(OPTIONAL)}: not measured"
    )
    parser.add_argument("--final", action="store_true", help="search the final part")
    return parser.parse_args()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for.

    Raises
    ------
    MlpfHpoError
        If an option or a table cannot be used.
    """
    if options.quick:
        options.seeds, options.table = QUICK_SEEDS, options.table or ["breast_cancer"]
    options.priors = listed("--priors", options.priors, PRIORS)
    options.without = listed("--without", options.without, OPTIONAL)
    if options.seeds < 1:
        raise ConfigurationError(f"--seeds {options.seeds}: at least 1")
    options.other = named_table(options.other, "--other")[1] if options.other else None
    tables = read_tables(options.table, options.split)
    protocol = {
        "protocol": "final" if options.final else "design",
        "seeds": options.seeds,
        "workers": WORKERS,
        "kinds": options.priors,
        "without": options.without,
    }
    measured = _on_record(options, protocol)
    for name, table in tables.items():
        if name not in measured:
            measured[name] = measure(table, tables, options)
        found = {**protocol, "tables": measured, "goals": reached(measured, OWN[1:])}
        if options.json is not None:
            write_json(options.json, found)
    print("\n".join(describe(found["goals"])))
    return found


def _on_record(options: argparse.Namespace, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a run that was ended early."""
    if not options.go_on:
        return {}
    if options.json is None:
        raise ConfigurationError("--go-on: name the file of the run that was ended by --json FILE")
    record = read_json(options.json, "leave out --go-on")
    if any(record.get(key) != value for key, value in protocol.items()):
        raise ConfigurationError(f"{options.json}: of another protocol than is asked for; leave out --go-on")
    return dict(record["tables"])


def main() -> None:
    """Measure, print, and keep the numbers if asked to."""
    options = arguments()
    try:
        run(options)
    except MlpfHpoError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
