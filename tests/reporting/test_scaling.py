"""Figure 2: what it draws of schedulers whose result is known, and which epoch times it takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mlpf_hpo.plotting import BLUE
from mlpf_hpo.reporting import scaling
from mlpf_hpo.reporting.scaling import figure_2
from mlpf_hpo.tuning.time_limit import EPOCH_SECONDS


@pytest.fixture
def timed(inputs):
    """The run with a time for each epoch that was trained; the fourth trial diverged in its fifth."""
    seconds = np.random.default_rng(1).uniform(1, 5, inputs.curves.values.shape)
    seconds[3, 5:] = np.nan
    curves = dataclasses.replace(inputs.curves, metrics={**inputs.curves.metrics, EPOCH_SECONDS: seconds})
    return dataclasses.replace(inputs, curves=curves)


def lines(panel, axis: int) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in panel.figure.axes[axis].get_lines()]


def test_full_training_spends_all_there_is_with_any_number_of_workers(timed, monkeypatch) -> None:
    monkeypatch.setattr(scaling, "COLOURS", {"full": BLUE})
    panel = figure_2(timed)
    seconds = timed.curves.metrics[EPOCH_SECONDS]
    (spent,) = lines(panel, 1)
    assert spent == pytest.approx(np.full(4, np.nansum(seconds)))
    ideal, speedup = lines(panel, 0)
    assert ideal.tolist() == [1, 2, 4, 8]
    assert speedup[0] == 1
    floor = np.nansum(seconds) / np.nansum(seconds, axis=1).max()
    assert (np.diff(speedup) > 0).all()
    assert (speedup <= np.minimum(ideal, floor) * (1 + 1e-12)).all()
    assert "with the time that each epoch took" in panel.caption


@pytest.mark.parametrize("wrong", ["missing", "zero"])
def test_without_all_times_epochs_take_similar_ones(timed, wrong: str) -> None:
    metrics = dict(timed.curves.metrics)
    if wrong == "missing":
        del metrics[EPOCH_SECONDS]
    else:
        metrics[EPOCH_SECONDS] = metrics[EPOCH_SECONDS].copy()
        metrics[EPOCH_SECONDS][0, 0] = 0
    panel = figure_2(dataclasses.replace(timed, curves=dataclasses.replace(timed.curves, metrics=metrics)))
    assert "epochs taking similar times" in panel.caption
    assert panel.figure.axes[1].get_ylabel() == "training, epochs"


def test_curves_whose_end_is_not_known_are_left_out(timed) -> None:
    values = timed.curves.values.copy()
    values[5, 3:] = np.nan
    status = timed.curves.status.copy()
    status[5] = "failed"
    metrics = {**timed.curves.metrics, "val/loss": values}
    curves = dataclasses.replace(timed.curves, metrics=metrics, status=status)
    assert "the campaign's 11 recorded curves" in figure_2(dataclasses.replace(timed, curves=curves)).caption
