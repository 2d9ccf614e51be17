"""Recorded trainings of any source as `LearningCurves`: hyperparameters, aligned curves, their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.curves.column_names import RESUMED, STOPPED
from mlpf_hpo.curves.ends import known_lengths
from mlpf_hpo.curves.readers.configurations import configuration_columns
from mlpf_hpo.curves.readers.recorded import RecordedTraining, RecordedTrainings
from mlpf_hpo.curves.readers.steps import aligned, without_superseded
from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.curves.schema import CENSORED, LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.metric_modes import resolve_mode
from mlpf_hpo.space import config_id
from mlpf_hpo.target_metric import TargetMetric

LEAST_TRAININGS = 2


@dataclass(frozen=True)
class Assembled:
    """Curves of a source, and what was understood of them.

    Attributes
    ----------
    curves : LearningCurves
    epochs : str
        What counts as an epoch.
    """

    curves: LearningCurves
    epochs: str


def assemble(
    found: RecordedTrainings,
    where: str,
    name: str,
    mode: str | None = None,
    hyperparameters: Sequence[str] | None = None,
    full_epochs: int | None = None,
) -> Assembled:
    """Return the recorded trainings as curves.

    A training without a value is left out and counted. One that was stopped by a pruner or a scheduler, that
    failed or that is still running is marked as stopped: it is censored (`LearningCurves.censored`).

    Parameters
    ----------
    found : RecordedTrainings
    where : str
        The source, for messages.
    name : str
        Name of the data set in captions.
    mode : {"min", "max"}, optional
        Whether small or large values are good; by default as the source or the metric's name says.
    hyperparameters : sequence of str, optional
        Parameters to be used; by default all that differ between the trainings.
    full_epochs : int, optional
        Length of a full training: one with fewer epochs was stopped, where the source does not say so.

    Raises
    ------
    DataError
        If there are fewer than two trainings with values, or their hyperparameters cannot be used.
    ConfigurationError
        If the mode is not known.
    """
    target = TargetMetric(found.metric, resolve_mode(found.metric, mode, found.mode))
    kept = [training for training in found.trainings if training.points]
    left_out = dict(found.left_out)
    if len(kept) < len(found.trainings):
        left_out[f"no value of {found.metric}"] = len(found.trainings) - len(kept)
    if len(kept) < LEAST_TRAININGS:
        reasons = ", ".join(f"{n} {reason}" for reason, n in left_out.items())
        raise DataError(
            f"{where}: {len(kept)} training(s) with values of {found.metric}"
            f"{f' ({reasons})' if reasons else ''}; a data set of curves needs at least {LEAST_TRAININGS}"
        )
    columns = configuration_columns(kept, found.declared, where, hyperparameters)
    cleaned = [without_superseded(training.points) for training in kept]
    values, epochs = aligned([points for points, _ in cleaned], where)
    values, diverged = _ended(values, [points for points, _ in cleaned])
    status = np.where(diverged, "diverged", np.array([training.status for training in kept], dtype=object))
    lengths = known_lengths(values)
    if full_epochs is not None:
        status[np.isin(status, ("finished", "unknown")) & (lengths < full_epochs)] = "stopped"
    configs = pd.DataFrame(columns.values)
    configs.insert(0, "config_id", [config_id(row) for row in _rows(columns.values)])
    configs.insert(1, "seed", columns.seeds)
    _add_marks(configs, status, [_resumed(one, back) for one, (_, back) in zip(kept, cleaned, strict=True)])
    curves = LearningCurves(
        configs=configs,
        metrics={found.metric: values},
        target=target,
        status=status.astype(str),
        restart_epoch=first_restarts(values),
        source=name,
        run_ids=np.array([training.run_id for training in kept]),
        hardware=np.full(len(kept), ""),
        left_out=columns.left_out,
        left_out_rows=left_out,
    )
    return Assembled(curves, epochs)


def _resumed(training: RecordedTraining, back: int) -> int:
    return back if training.resumed is None else training.resumed


def _add_marks(configs: pd.DataFrame, status: NDArray[np.object_], resumed: Sequence[int]) -> None:
    """Put the columns `stopped` and `resumed` behind the seed, where they say something."""
    stopped = np.isin(status, ("stopped", *CENSORED))
    if stopped.any():
        configs.insert(2, STOPPED, stopped)
    if any(resumed):
        configs.insert(2, RESUMED, resumed)


def _rows(values: Mapping[str, NDArray[np.generic]]) -> list[dict[str, bool | float | str]]:
    return [
        dict(zip(values, row, strict=True))
        for row in zip(*(v.tolist() for v in values.values()), strict=True)
    ]


def _ended(
    values: FloatArray, points: Sequence[Sequence[tuple[int, float]]]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the values with NaN for all that is not finite, and which trainings ended so: diverged."""
    diverged = np.array([not np.isfinite(logged[-1][1]) for logged in points])
    return np.where(np.isfinite(values), values, np.nan), diverged
