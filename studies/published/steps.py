"""Steps of the study, each result stored when it is done; resumed after an interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlpf_hpo.predictors
from mlpf_hpo.files import read_record, write_record
from mlpf_hpo.predictors.criteria import PERSISTENCE
from mlpf_hpo.predictors.samplers.mock import GRAPHS
from mlpf_hpo.remedies import make_again
from mlpf_hpo.space import stable_hash
from studies.published import annealer, corrected_protocol, paper, reads
from studies.published.data import PublishedCurves, PublishedSolutions
from studies.published.methods import Method, labels, methods
from studies.published.params import PublishedParams
from studies.published.solutions import MEMBERS

CHUNK = 25
"""Splits of a step."""

STAGE, FOLDER = "study", Path("studies/published")
"""The DVC stage, for messages."""


@dataclass(frozen=True)
class Step:
    """A part of the study.

    Attributes
    ----------
    path : tuple of str
        Where its outcome belongs.
    seeds : sequence of int
        Its splits; empty for what has none.
    work : float
        How long it takes, in fits.
    run : callable
        Computes it.
    """

    path: tuple[str, ...]
    seeds: Sequence[int]
    work: float
    run: Callable[[], Any]

    @property
    def name(self) -> str:
        """A file name."""
        return "-".join((*self.path, *map(str, self.seeds[:1])))


def run_study(
    folder: Path,
    params: PublishedParams,
    state: Path,
    progress: Callable[[float, float], Any] | None = None,
) -> dict[str, Any]:
    """Do the study, or what is left of it.

    Parameters
    ----------
    folder : path
        Of the published files.
    params : PublishedParams
    state : path
        Folder that keeps the outcome of every step. What other settings, files or code left is not used.
    progress : callable, optional
        Called with (work done, work in all).

    Returns
    -------
    dict
        Everything that was measured, score by score; see `studies.published.outcome`.
    """
    curves, stored = PublishedCurves.load(folder), PublishedSolutions.load(folder)
    kept = state / _identity(folder, params)
    steps = list(_steps(curves, stored, params))
    content: dict[str, Any] = {
        "curves": _described(curves),
        "settings": params.model_dump(),
        "labels": labels(params),
    }
    remedy = f"remove it, and it is made again by: {make_again(STAGE, FOLDER)}"
    done, total = 0.0, sum(step.work for step in steps)
    for step in steps:
        path = kept / f"{step.name}.json"
        if not path.exists():
            write_record(path, {"outcome": step.run()})
        _put(content, step.path, read_record(path, STAGE, remedy)["outcome"])
        done += step.work
        if progress is not None:
            progress(done, total)
    return content


def _steps(curves: PublishedCurves, stored: PublishedSolutions, params: PublishedParams) -> Iterator[Step]:
    fitted = methods(params)
    yield Step(("reproduced",), (), 1, partial(annealer.reproduced, curves, stored))
    yield Step(("energies",), (), 20 * len(fitted), partial(annealer.energies, stored, fitted))
    yield Step(("same_rows",), (), 60 * len(fitted), partial(annealer.same_rows, curves, stored, fitted))
    yield Step(("reads",), (), 300, partial(reads.energy_and_r2, curves, stored, params.sweeps))
    yield Step(("null",), (), 10, partial(reads.null_of_precision, curves, stored, params))
    for topology in GRAPHS:
        for strength in params.chain_strengths:
            score = partial(reads.precision, curves, stored, params, topology, strength)
            yield Step(("precision", topology, f"{strength:g}"), (), 150, score)
    drawn = partial(annealer.examples, curves, stored, fitted, params.paper_seed)
    yield Step(("examples",), (), 10, drawn)
    everyone: dict[str, Method | None] = {PERSISTENCE: None, **fitted}
    for name, method in everyone.items():
        yield from _paper_steps(curves, name, method, params)
    for name, method in everyone.items():
        yield from _corrected_steps(curves, name, method, params)


def _paper_steps(
    curves: PublishedCurves, name: str, method: Method | None, params: PublishedParams
) -> Iterator[Step]:
    splits = params.qsvr_splits if method is not None and method.sampler else params.svr_splits
    for seeds in _chunks(params.paper_seed, splits):
        score = partial(paper.single_r2, curves, method, seeds)
        yield Step(("paper", "single", name), seeds, _work(method, seeds), score)
    for seeds in _chunks(params.ensemble_seed, params.ensemble_splits):
        score = partial(paper.ensemble_r2, curves, method, seeds)
        yield Step(("paper", "ensemble", name), seeds, MEMBERS * _work(method, seeds), score)


def _corrected_steps(
    curves: PublishedCurves, name: str, method: Method | None, params: PublishedParams
) -> Iterator[Step]:
    for rows in corrected_protocol.ROW_SETS:
        for size, times in (("single", 1), ("ensemble", MEMBERS)):
            if not corrected_protocol.possible(curves, rows, size):
                continue
            for splits in _chunks(0, params.honest_splits):
                score = partial(
                    corrected_protocol.corrected_scores, curves, method, rows, size, splits, params.seed
                )
                yield Step(("honest", rows, size, name), splits, times * _work(method, splits), score)


def _work(method: Method | None, seeds: Sequence[int]) -> float:
    """Return how long splits take, in fits of a QSVR; others take next to nothing."""
    return len(seeds) * (1.0 if method is not None and method.sampler else 0.05)


def _chunks(first: int, n: int) -> Iterator[range]:
    for start in range(0, n, CHUNK):
        yield range(first + start, first + min(n, start + CHUNK))


def _put(content: dict[str, Any], path: Sequence[str], outcome: Any) -> None:
    """Put an outcome into its place; lists of scores there go on with those of the next splits."""
    *above, last = path
    for key in above:
        content = content.setdefault(key, {})
    if last not in content:
        content[last] = outcome
    else:
        for key, values in outcome.items():
            content[last][key] += values


def _described(curves: PublishedCurves) -> dict[str, Any]:
    table = curves.curves
    return {
        "rows": len(table),
        "configurations": len(set(table.groups)),
        "restarted": int((table.restart_epoch >= 0).sum()),
        "row_sets": {
            name: {
                "label": label,
                "rows": int(mask(curves).sum()),
                "sizes": [
                    size
                    for size in corrected_protocol.SIZES
                    if corrected_protocol.possible(curves, name, size)
                ],
            }
            for name, (label, mask) in corrected_protocol.ROW_SETS.items()
        },
    }


def _identity(folder: Path, params: PublishedParams) -> str:
    """Return a digest of all that an outcome depends on: settings, files, code of predictors and study."""
    content = hashlib.sha256(stable_hash(params.model_dump(), 16).encode())
    code = [Path(mlpf_hpo.predictors.__file__).parent, Path(__file__).parent]
    sources = [path for each in code for path in sorted(each.rglob("*.py"))]
    for path in [*sorted(folder.iterdir()), *sources]:
        if path.is_file():
            content.update(path.read_bytes())
    return content.hexdigest()[:16]
