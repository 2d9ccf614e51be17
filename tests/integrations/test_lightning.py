"""A Lightning training that is stopped by its predicted final value, in real trainers."""

from __future__ import annotations

import logging
import re

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.lightning import LOGGED, PredictedStop
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.search.bounds import partial_curves
from mlpf_hpo.target_metric import TargetMetric
from tests.integrations.toys import EPOCHS, PRIOR_RATES, loss, recorded


class Toy(LightningModule):
    """Logs the loss of a formula."""

    def __init__(self, x: float, sign: float = 1.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.x, self.sign = x, sign
        self.seen: list[dict[str, float]] = []

    def training_step(self, batch, index):
        return (self.weight * batch[0]).sum()

    def validation_step(self, batch, index):
        self.log("val_loss", self.sign * loss(self.x, self.current_epoch + 1))

    def on_train_epoch_start(self) -> None:
        logged = {key: float(value) for key, value in self.trainer.callback_metrics.items()}
        self.seen.append({key: logged[key] for key in LOGGED if key in logged})

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture(scope="module")
def predictor():
    prior = recorded(PRIOR_RATES)
    fitted = make_predictor("ridge", PredictorsParams(), seed=0, known_epochs=(0, 2, 4))
    return fitted.fit(prior.frame(), prior.final)


def fit(callback: PredictedStop, toy: Toy, tmp_path, **settings) -> Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    data = DataLoader(TensorDataset(torch.ones(2, 1)))
    options = {"max_epochs": EPOCHS, **settings}
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[callback],
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(toy, data, data)
    return trainer


@pytest.mark.parametrize(("best", "epochs"), [(0.2, 2), (2.0, EPOCHS), (None, EPOCHS)])
def test_it_stops_where_the_good_end_of_the_interval_is_worse(best, epochs, predictor, tmp_path) -> None:
    callback, toy = PredictedStop(predictor, {"x": 0.7}, best=best), Toy(0.7)
    trainer = fit(callback, toy, tmp_path)
    assert trainer.current_epoch == epochs == len(toy.seen)
    curve = [loss(0.7, epoch) for epoch in range(1, 3)]
    expected = predictor.predict_interval(partial_curves([{"x": 0.7}], [curve], EPOCHS), 0.9)
    if epochs == 2:
        assert callback.stop is not None
        assert str(callback.stop).startswith("prediction after epoch 2")
        assert callback.stop.prediction.lower[0] == pytest.approx(expected.lower[0], rel=1e-5)
        assert expected.lower[0] > best
    else:
        assert callback.stop is None
        assert toy.seen[:2] == [{}, {}]
        ends = [expected.mean[0], expected.lower[0], expected.upper[0]]
        assert [toy.seen[2][key] for key in LOGGED] == pytest.approx(ends, rel=1e-5)


def test_large_values_may_be_the_good_ones(tmp_path) -> None:
    prior = recorded(PRIOR_RATES, TargetMetric("score", "max"), sign=-1.0)
    fitted = make_predictor("ridge", PredictorsParams(), seed=0, known_epochs=(2,), mode="max")
    fitted.fit(prior.frame(), prior.final)
    for x, best, epochs in ((0.7, -0.2, 2), (0.1, -0.9, EPOCHS)):
        callback = PredictedStop(fitted, {"x": x}, best=best, mode="max")
        assert fit(callback, Toy(x, sign=-1.0), tmp_path).current_epoch == epochs


def test_a_predictor_is_fitted_on_curves(tmp_path) -> None:
    callback = PredictedStop(recorded(PRIOR_RATES), {"x": 0.9}, best=0.2)
    assert fit(callback, Toy(0.9), tmp_path).current_epoch < EPOCHS
    assert callback.stop.reason == "prediction"


def test_a_value_that_is_not_finite_stops_and_a_resumed_training_keeps_its_curve(predictor, tmp_path) -> None:
    callback = PredictedStop(predictor, {"x": 0.1}, best=None)
    assert fit(callback, Toy(float("nan")), tmp_path).current_epoch == 1
    assert callback.stop.reason == "diverged"
    again = PredictedStop(predictor, {"x": 0.1}, best=None)
    again.load_state_dict({"curve": [2.0, 1.0]})
    assert again.state_dict() == {"curve": [2.0, 1.0]}


@pytest.mark.parametrize(
    ("options", "training", "message"),
    [
        ({}, {"max_epochs": 5}, "the value after 9 epochs is predicted, the training has max_epochs=5"),
        ({}, {"check_val_every_n_epoch": 2}, "check_val_every_n_epoch=2"),
        ({"monitor": "val_los"}, {}, "monitor: no val_los is logged (did you mean val_loss?)"),
        ({"coverage": 1.0}, {}, "coverage must be within (0, 1)"),
        ({"mode": "up"}, {}, "mode: 'up'; it is min or max"),
        ({"configuration": {"y": 1}}, {}, "configuration: no x; the prior has x"),
    ],
)
def test_what_is_refused(options, training, message, predictor, tmp_path) -> None:
    given = {"configuration": {"x": 0.1}, "best": 1.0, **options}
    with pytest.raises(ConfigurationError, match=f"^[^\n]*{re.escape(message)}[^\n]*$"):
        fit(PredictedStop(predictor, **given), Toy(0.1), tmp_path, **training)
