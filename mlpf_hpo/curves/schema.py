"""`LearningCurves`: configurations of trials and their metrics after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_numeric_dtype

from mlpf_hpo.array_types import BoolArray, FloatArray, IntArray
from mlpf_hpo.curves.column_names import BOOKKEEPING, RESUMED, STOPPED, TARGET_EPOCH
from mlpf_hpo.curves.ends import values_after
from mlpf_hpo.curves.float_columns import float_columns, float_frame
from mlpf_hpo.curves.restarts import first_restarts
from mlpf_hpo.errors import DataError, did_you_mean
from mlpf_hpo.space import Configuration, Mode, config_id
from mlpf_hpo.target_metric import TargetMetric

CENSORED = ("failed", "killed", "paused", "running")
"""Statuses of trainings that have not come to their end: what they would have reached is not known."""


def text_columns(table: pd.DataFrame, names: Sequence[str] | None = None) -> list[str]:
    """Return the columns that hold texts, of all or of those in `names`.

    Examples
    --------
    >>> text_columns(pd.DataFrame({"lr": [0.1, 0.2], "bias": [True, False], "optimizer": ["sgd", "adam"]}))
    ['optimizer']
    """
    types = dict(zip(table.columns, table.dtypes, strict=True))
    return [
        str(name)
        for name in (types if names is None else names)
        if not is_numeric_dtype(types[name]) and any(isinstance(value, str) for value in table[name])
    ]


def regressor_columns(configs: pd.DataFrame) -> pd.DataFrame:
    """Return hyperparameters as regressors need them: numbers and booleans as floats, texts unchanged.

    Examples
    --------
    >>> regressor_columns(pd.DataFrame({"bias": [True], "optimizer": ["sgd"]})).to_dict("records")
    [{'bias': 1.0, 'optimizer': 'sgd'}]
    """
    texts = text_columns(configs)
    return configs.astype({name: object if name in texts else float for name in configs.columns})


def predictor_frame(configs: pd.DataFrame, values: FloatArray) -> pd.DataFrame:
    """Return the input of a `CurvePredictor`: hyperparameters, then ``loss_0 ... loss_{T-1}``."""
    losses = [f"loss_{epoch}" for epoch in range(values.shape[1])]
    if text_columns(configs):
        return pd.concat([regressor_columns(configs), pd.DataFrame(values, columns=losses)], axis=1)
    names = configs.columns.tolist()
    return float_frame(np.hstack([float_columns(configs, names), values]), [*names, *losses])


@dataclass(frozen=True)
class LearningCurves:
    """Curves of many trials, aligned by epoch.

    Attributes
    ----------
    configs : DataFrame [n_trials]
        `config_id` (equal for equal hyperparameters), `seed` (-1 where unknown), then one column per
        hyperparameter; the index counts the rows of the source, from 0. Optional: `stopped`, whether a
        training was stopped before its end; `target_epoch`, each curve's own number of epochs after which
        its value is predicted (0: unknown); `resumed`, how often its log went back.
    metrics : mapping of str to array [n_trials, n_epochs], float64
        Values after each epoch, NaN after a curve's end. Column 0 is the value after the first epoch.
    target : TargetMetric
        The metric to be predicted, a key of `metrics`, and whether small or large values are good.
    status : array [n_trials] of str
        "finished", "stopped", "diverged", "failed", "running" or "unknown"; "paused" or "killed" of a
        tracked trial.
    restart_epoch : array [n_trials] of int
        First epoch at which the curve jumps back to its beginning, -1 where it never does.
    source : str
        Where the curves come from, for captions.
    run_ids, hardware : array [n_trials] of str
        MLflow run and hardware label of each trial, empty where unknown.
    left_out : mapping of str to str
        Columns of the source table that are not hyperparameters, and the reason.
    left_out_rows : mapping of str to int
        Reason -> number of rows of the source that are not in this data set.
    data_digest : str
        Digest of what the trials were trained on, empty where unknown.

    Examples
    --------
    >>> from mlpf_hpo import LearningCurves, TargetMetric
    >>> losses = [[3.0, 2.0, 1.5], [4.0, 3.5, float("nan")]]
    >>> target = TargetMetric("loss", "min")
    >>> curves = LearningCurves.from_arrays([{"lr": 0.1}, {"lr": 0.2}], losses, target)
    >>> len(curves), curves.n_epochs, curves.hyperparameters, curves.truncated.tolist()
    (2, 3, ('lr',), [False, True])
    >>> curves.frame(known_epochs=1).columns.tolist()
    ['lr', 'loss_0', 'loss_1', 'loss_2']
    """

    configs: pd.DataFrame
    metrics: Mapping[str, FloatArray]
    target: TargetMetric
    status: NDArray[np.str_]
    restart_epoch: IntArray
    source: str
    run_ids: NDArray[np.str_]
    hardware: NDArray[np.str_]
    left_out: Mapping[str, str] = field(default_factory=dict)
    left_out_rows: Mapping[str, int] = field(default_factory=dict)
    data_digest: str = ""

    def __post_init__(self) -> None:
        if self.metric not in self.metrics:
            hint = did_you_mean(self.metric, self.metrics)
            raise DataError(f"no metric {self.metric!r} among {sorted(self.metrics)}{hint}")
        n_trials = len(self.configs)
        for name, values in self.metrics.items():
            if values.shape != self.metrics[self.metric].shape or len(values) != n_trials:
                raise DataError(f"metric {name!r} has shape {values.shape} for {n_trials} configurations")
        for name in ("status", "restart_epoch", "run_ids", "hardware"):
            if len(getattr(self, name)) != n_trials:
                raise DataError(f"{name} has {len(getattr(self, name))} entries, configs {n_trials} rows")
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))

    @classmethod
    def from_arrays(
        cls,
        configurations: Sequence[Configuration],
        values: ArrayLike,
        target: TargetMetric,
        source: str = "",
        seeds: Sequence[int] | None = None,
    ) -> LearningCurves:
        """Return the curves of trainings of one's own.

        Parameters
        ----------
        configurations : sequence of mapping [n_trials]
            Hyperparameter name -> value of each trial, the same names in all.
        values : array [n_trials, n_epochs]
            The metric after each epoch, NaN after a curve's end.
        target : TargetMetric
            The metric's name, and whether small or large values are good.
        source : str
            Where the curves come from, for captions.
        seeds : sequence of int [n_trials], optional
            Seed of each trial; -1, for unknown, by default.

        Raises
        ------
        DataError
            If there is not one row of numbers for every configuration.
        """
        table = np.array(values, dtype=float)
        n = len(configurations)
        if table.ndim != 2 or len(table) != n:
            raise DataError(f"values have shape {table.shape}; needed is ({n}, number of epochs)")
        configs = pd.DataFrame([dict(configuration) for configuration in configurations])
        configs.insert(0, "config_id", [config_id(configuration) for configuration in configurations])
        configs.insert(1, "seed", [-1] * n if seeds is None else list(seeds))
        return cls(
            configs=configs,
            metrics={target.metric: table},
            target=target,
            status=np.where(np.isfinite(table).all(axis=1), "finished", "unknown"),
            restart_epoch=first_restarts(table),
            source=source,
            run_ids=np.full(n, ""),
            hardware=np.full(n, ""),
        )

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.configs)

    @property
    def metric(self) -> str:
        """Name of the target metric."""
        return self.target.metric

    @property
    def mode(self) -> Mode:
        """Whether small or large values of the target metric are good."""
        return self.target.mode

    @property
    def n_epochs(self) -> int:
        """Length of the longest curve that the arrays have room for."""
        return int(self.metrics[self.metric].shape[1])

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the hyperparameter columns."""
        return tuple(name for name in self.configs.columns if name not in BOOKKEEPING)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Configuration of each trial: trials of one group never stand on both sides of a split."""
        return self.configs["config_id"].to_numpy(dtype=str)

    @property
    def values(self) -> FloatArray:
        """The target metric, [n_trials, n_epochs]."""
        return self.metrics[self.metric]

    @property
    def own_targets(self) -> bool:
        """Whether every curve has a target epoch of its own, see `curves.target_epochs`."""
        return TARGET_EPOCH in self.configs.columns

    @property
    def target_epochs(self) -> IntArray:
        """After how many epochs the value of each curve is predicted, [n_trials]; 0 where unknown."""
        if self.own_targets:
            return self.configs[TARGET_EPOCH].to_numpy(dtype=np.int64)
        return np.full(len(self), self.n_epochs)

    @property
    def final(self) -> FloatArray:
        """The target metric at the target epoch, [n_trials]; NaN for a curve that ended earlier.

        The target epoch is the last column, or each curve's own.
        """
        return values_after(self.values, self.target_epochs)

    @property
    def stopped(self) -> BoolArray:
        """Which trainings are known to have been stopped before their end, by a scheduler for example.

        The column `stopped` says so, or the status of a tracked trial. A curve that is only shorter than
        others is not counted.
        """
        if STOPPED in self.configs.columns:
            return self.configs[STOPPED].to_numpy(dtype=bool)
        return (self.status == "stopped") & self.run_ids.astype(bool)

    @property
    def censored(self) -> BoolArray:
        """Which trainings have not come to their end: stopped by a pruner or scheduler, failed, or running.

        Of such a training is known what was observed, and not what it would have reached: its last value is
        no final value. A training that diverged is not censored: its end is known.
        """
        return self.stopped | np.isin(self.status, CENSORED)

    @property
    def resumed(self) -> IntArray:
        """How often the log of each training went back, [n_trials]; 0 where that is not known."""
        if RESUMED in self.configs.columns:
            return self.configs[RESUMED].to_numpy(dtype=np.int64)
        return np.zeros(len(self), dtype=np.int64)

    @property
    def complete(self) -> BoolArray:
        """Which curves are finite at every epoch and never restart."""
        return np.isfinite(self.values).all(axis=1) & (self.restart_epoch < 0)

    @property
    def duplicated(self) -> BoolArray:
        """Which trials have the configuration of an earlier one."""
        return self.configs["config_id"].duplicated().to_numpy(dtype=bool)

    @property
    def truncated(self) -> BoolArray:
        """Which curves are not finite at every epoch: they ended early, or diverged."""
        return np.logical_not(np.isfinite(self.values).all(axis=1))

    def select(self, rows: BoolArray | IntArray | Sequence[int]) -> LearningCurves:
        """Return the trials that `rows` (a mask or positions) names, in that order."""
        at = np.asarray(rows)
        positions = np.flatnonzero(at) if at.dtype == bool else at.astype(np.int64)
        return replace(
            self,
            configs=self.configs.iloc[positions].reset_index(drop=True),
            metrics={name: values[positions] for name, values in self.metrics.items()},
            status=self.status[positions],
            restart_epoch=self.restart_epoch[positions],
            run_ids=self.run_ids[positions],
            hardware=self.hardware[positions],
        )

    def frame(self, known_epochs: int | None = None) -> pd.DataFrame:
        """Return the input of a `CurvePredictor`: hyperparameters, then ``loss_0 ... loss_{T-1}``.

        If curves have target epochs of their own, they are the first column, `target_epoch`.

        Parameters
        ----------
        known_epochs : int, optional
            Hide every epoch from this one on (0 hides the whole curve). By default no epoch is hidden.
        """
        values = self.values.copy()
        if known_epochs is not None:
            values[:, known_epochs:] = np.nan
        names = [TARGET_EPOCH, *self.hyperparameters] if self.own_targets else list(self.hyperparameters)
        configs = self.configs[names].reset_index(drop=True)
        return predictor_frame(configs, values)
