"""`PredictedStop`: end a Lightning training whose predicted final value cannot beat a given one."""

from __future__ import annotations

import logging
import math
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.integrations.host_scheduler import Prior, as_configuration, check_mode, read_knowledge
from mlpf_hpo.predictors.curve_predictor import CurvePredictor
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.intervals import Prediction
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.bounds import partial_curves
from mlpf_hpo.search.prior_predictor import rung_epochs
from mlpf_hpo.search.scheduler import Stop
from mlpf_hpo.space import Configuration, Mode
from mlpf_hpo.target_metric import TargetMetric

log = logging.getLogger(__name__)

REGRESSOR = "stacked"
"""Fitted where curves are given instead of a predictor."""

LOGGED = ("prediction/final", "prediction/lower", "prediction/upper")
"""Metrics that are logged after every epoch that is predicted."""


class PredictedStop(Callback):
    """Predict the final value after every epoch; stop where even its good end is worse than `best`.

    The prediction and its interval are logged as ``prediction/final``, ``prediction/lower`` and
    ``prediction/upper``. A value that is not finite stops the training as well.

    Parameters
    ----------
    prior : LearningCurves, CurvePredictor, str or path
        A predictor that was fitted on curves of such trainings, or the curves, on which one is fitted; or the
        name of either: a file, a shipped data set, ``models:/MODEL@ALIAS``.
    configuration : mapping
        The hyperparameters of this training, under the names that the prior has.
    best : float or None
        What the training must be able to beat; None to log predictions only.
    monitor : str
        The metric, as the module logs it after every epoch.
    mode : {"min", "max"}
        Whether small or large values are good.
    coverage : float
        How often the interval is to hold the final value.
    from_epoch : int
        First epoch after which is predicted.
    seed : int
        Of a predictor that is fitted here.

    Attributes
    ----------
    stop : Stop or None
        Why the training was stopped, if it was.

    Raises
    ------
    ConfigurationError
        If a parameter has no meaning; when the training begins, if it has another number of epochs than what
        is predicted, or lacks a hyperparameter or the metric.
    MissingInputError, DataError, TrackingError
        If the prior is not there, or cannot be used.

    Examples
    --------
    >>> PredictedStop("campaign-v0", {"lr": 0.1}, best=0.2, mode="max")
    Traceback (most recent call last):
    mlpf_hpo.errors.ConfigurationError: prior: mode of the curves of campaign-... is min, ...
    """

    def __init__(
        self,
        prior: Prior,
        configuration: Configuration,
        *,
        best: float | None,
        monitor: str = "val_loss",
        mode: Mode = "min",
        coverage: float = 0.9,
        from_epoch: int = 2,
        seed: int = 0,
    ) -> None:
        check_mode(mode)
        if not 0 < coverage < 1 or from_epoch < 1 or (best is not None and not math.isfinite(best)):
            raise ConfigurationError(
                "PredictedStop: coverage must be within (0, 1), from_epoch at least 1 and best finite; found "
                f"{coverage}, {from_epoch}, {best}"
            )
        known = read_knowledge(prior, mode)
        if isinstance(known, LearningCurves):
            known = _fit(known, coverage, from_epoch, seed)
        self.predictor: CurvePredictor = known
        self.configuration = as_configuration(configuration)
        self.target, self.best = TargetMetric(monitor, mode), best
        self.coverage, self.from_epoch = coverage, from_epoch
        self.stop: Stop | None = None
        self._curve: list[float] = []
        self._check_configuration()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a training whose final value is not what is predicted."""
        if trainer.max_epochs != self.predictor.n_epochs:
            raise ConfigurationError(
                f"PredictedStop: the value after {self.predictor.n_epochs} epochs is predicted, the training "
                f"has max_epochs={trainer.max_epochs}"
            )
        if trainer.check_val_every_n_epoch != 1:
            raise ConfigurationError(
                f"PredictedStop: check_val_every_n_epoch={trainer.check_val_every_n_epoch}: a learning curve "
                "has a value after every epoch"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this epoch's value to the curve, predict, and stop if `best` is out of reach."""
        if getattr(trainer, "fast_dev_run", False):
            return
        metrics = trainer.callback_metrics
        if self.target.metric not in metrics:
            hint = did_you_mean(self.target.metric, metrics) or f"; there are {', '.join(sorted(metrics))}"
            raise ConfigurationError(f"PredictedStop: monitor: no {self.target.metric} is logged{hint}")
        self._curve.append(float(metrics[self.target.metric]))
        epoch, value = len(self._curve), self._curve[-1]
        if not math.isfinite(value):
            self.stop = Stop("", epoch, value, "diverged")
        elif self.from_epoch <= epoch < self.predictor.n_epochs:
            prediction = self._predict()
            ends = [float(end[0]) for end in (prediction.mean, prediction.lower, prediction.upper)]
            pl_module.log_dict(dict(zip(LOGGED, ends, strict=True)), on_step=False, on_epoch=True)
            good_end = min(ends, key=self.target.cost)
            if self.best is not None and self.target.cost(good_end) > self.target.cost(self.best):
                self.stop = Stop("", epoch, value, "prediction", self.best, prediction)
        stops = trainer.strategy.reduce_boolean_decision(self.stop is not None, all=False)
        if stops:
            trainer.should_stop = True
            log.info("training stopped by %s", self.stop)

    def state_dict(self) -> dict[str, Any]:
        """Return the curve, for a training that is resumed."""
        return {"curve": list(self._curve)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the curve of a training that is resumed."""
        self._curve = list(state_dict["curve"])

    def _predict(self) -> Prediction:
        names = self.predictor.hyperparameters
        known = {name: self.configuration[name] for name in names}
        frame = partial_curves([known], [self._curve], self.predictor.n_epochs)
        return self.predictor.predict_interval(frame, self.coverage)

    def _check_configuration(self) -> None:
        missing = [name for name in self.predictor.hyperparameters if name not in self.configuration]
        if missing:
            raise ConfigurationError(
                f"PredictedStop: configuration: no {', '.join(missing)}"
                f"{did_you_mean(missing[0], self.configuration)}; the prior has "
                f"{', '.join(self.predictor.hyperparameters)}"
            )


def _fit(curves: LearningCurves, coverage: float, from_epoch: int, seed: int) -> CurvePredictor:
    """Return a predictor that is fitted on curves that are complete."""
    whole = curves.select(~curves.truncated)
    epochs = sorted({from_epoch, *(one for one in rung_epochs(curves.n_epochs) if one > from_epoch)})
    predictor = make_predictor(
        REGRESSOR, PredictorsParams(coverage=coverage), seed, epochs, shrink=True, mode=curves.mode
    )
    return predictor.fit(whole.frame(), whole.final, whole.groups)
