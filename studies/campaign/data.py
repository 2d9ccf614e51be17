"""The tables of the study: the campaign's, its companions, and the published one where it is at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.data_sets import load_curves
from mlpf_hpo.curves.repeats import copied
from mlpf_hpo.curves.schema import LearningCurves
from studies.campaign.params import DataParams
from studies.published.data import REFERENCE, PublishedCurves, reference_folder


@dataclass(frozen=True)
class StudyTables:
    """Tables of curves; None stands for one that there is not."""

    main: LearningCurves
    longer: LearningCurves | None
    second_task: LearningCurves | None
    published: LearningCurves | None


def load_tables(params: DataParams) -> StudyTables:
    """Load the data sets by name, and the published curves, clean rows, if `MLPF_HPO_REFERENCE_DIR` is set.

    Raises
    ------
    MissingInputError, DataError
        If there is no data set of a name that is not null, or a file is damaged.
    """
    folder = None if params.folder is None else Path(params.folder)
    longer, second = (
        None if name is None else load_curves(name, folder=folder)
        for name in (params.longer, params.second_task)
    )
    return StudyTables(load_curves(params.main, folder=folder), longer, second, _published())


def _published() -> LearningCurves | None:
    if not os.environ.get(REFERENCE):
        return None
    published = PublishedCurves.load(reference_folder())
    return published.curves.select(published.clean(np.arange(len(published.curves))))


def one_each(curves: LearningCurves) -> LearningCurves:
    """Return the first complete curve of every configuration."""
    complete = curves.select(curves.complete & ~copied(curves))
    return complete.select(~complete.duplicated)


def costs(curves: LearningCurves) -> FloatArray:
    """Return the values of the target metric, [n, n_epochs], with the sign that makes small good."""
    return curves.values if curves.mode == "min" else -curves.values


def in_logs(curves: LearningCurves) -> FloatArray:
    """Return the same of their logarithms, where all values that are finite are positive."""
    finite = curves.values[np.isfinite(curves.values)]
    values = np.log(curves.values) if (finite > 0).all() else curves.values
    return values if curves.mode == "min" else -values


def load_half(params: DataParams, part: Literal["design", "final"]) -> LearningCurves:
    """Load one half of the main data set's configurations."""
    return load_curves(params.main, part, None if params.folder is None else Path(params.folder))
