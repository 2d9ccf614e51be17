"""Schedulers in syne-tune's tuner and simulator: they train what they train in a replay of their curves."""

from __future__ import annotations

import importlib.util
import logging

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.integrations.syne_tune import MISSING, PatientTuner, SyneTuneScheduler
from mlpf_hpo.search.schedulers import make_scheduler
from tests.integrations.toys import EPOCHS, RATES, recorded, replayed

INSTALLED = importlib.util.find_spec("syne_tune") is not None
needed = pytest.mark.skipif(
    MISSING is not None, reason="needs syne-tune 0.16: pip install mlpf_hpo[syne-tune]"
)


@pytest.mark.skipif(INSTALLED, reason="syne-tune is installed")
def test_without_syne_tune_the_extra_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^SyneTuneScheduler needs syne-tune[^\n]*mlpf_hpo\[syne-tune\]"
    ):
        SyneTuneScheduler("asha", {}, "loss", n_trials=1, max_epochs=EPOCHS)


def search(name, tmp_path, monkeypatch, tuner_class=PatientTuner, workers=1, **settings) -> dict[float, int]:
    """Run syne-tune's simulator on the toys; return the last epoch of each."""
    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path))
    from syne_tune import StoppingCriterion, config_space
    from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
    from syne_tune.blackbox_repository import UserBlackboxBackend
    from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular

    # A second hyperparameter, the same for all: with one, syne-tune's table does not find a row again.
    space = {"x": config_space.uniform(0, 1), "y": config_space.uniform(0, 1)}
    losses = recorded().values
    seconds = np.cumsum(np.ones_like(losses), axis=1)
    blackbox = BlackboxTabular(
        pd.DataFrame({"x": RATES, "y": 0.5}),
        space,
        {"epoch": config_space.randint(1, EPOCHS)},
        np.stack([losses, seconds], axis=-1)[:, np.newaxis],
        objectives_names=["loss", "elapsed"],
    )
    scheduler = SyneTuneScheduler(
        name,
        {**space, "epochs": EPOCHS},
        "loss",
        n_trials=len(RATES),
        max_epochs=EPOCHS,
        points_to_evaluate=[{"x": x, "y": 0.5} for x in RATES],
        **settings,
    )
    callback = SimulatorCallback()
    tuner = tuner_class(
        UserBlackboxBackend(blackbox, elapsed_time_attr="elapsed", max_resource_attr="epochs", seed=0),
        scheduler,
        StoppingCriterion(max_num_trials_finished=10**6),
        n_workers=workers,
        sleep_time=0,
        callbacks=[callback],
        print_update_interval=1e9,
        save_tuner=False,
    )
    tuner.run()
    reports = callback.dataframe()
    return reports.groupby("config_x").epoch.max().to_dict()


@needed
@pytest.mark.parametrize("name", ["asha", "promotion_asha", "freeze_thaw", "hyperband"])
def test_the_simulator_of_syne_tune_runs_every_kind(name, tmp_path, monkeypatch) -> None:
    expected = replayed(make_scheduler(name, max_epochs=EPOCHS))
    found = search(name, tmp_path, monkeypatch)
    assert found == {x: n for x, n in expected.items() if n}


@needed
def test_the_tuner_of_syne_tune_ends_where_a_worker_is_idle_and_a_warning_says_so(
    tmp_path, monkeypatch, caplog
) -> None:
    from syne_tune import Tuner

    with caplog.at_level(logging.WARNING, logger="mlpf_hpo"):
        impatient = search("top_k", tmp_path, monkeypatch, Tuner, workers=2)
    assert max(impatient.values()) == 1
    assert "PatientTuner waits" in caplog.text
    patient = search("top_k", tmp_path, monkeypatch, workers=2)
    assert patient == {x: EPOCHS if x == 0.04 or n == EPOCHS else 1 for x, n in patient.items()}
    assert max(patient.values()) == EPOCHS


@needed
def test_the_seed_decides_on_random_configurations() -> None:
    from syne_tune import config_space

    def drawn(seed: int) -> list[float]:
        space = {"x": config_space.uniform(0, 1), "epochs": EPOCHS}
        scheduler = SyneTuneScheduler("asha", space, "loss", n_trials=3, max_epochs=EPOCHS, random_seed=seed)
        configurations = [scheduler.suggest().config for _ in range(3)]
        assert all(one["epochs"] == EPOCHS for one in configurations)
        return [one["x"] for one in configurations]

    assert drawn(1) == drawn(1) != drawn(2)


@needed
def test_a_metric_or_time_that_is_not_reported_is_named() -> None:
    from types import SimpleNamespace

    from syne_tune import config_space

    scheduler = SyneTuneScheduler("asha", {"x": config_space.uniform(0, 1)}, "loss", n_trials=1, max_epochs=9)
    scheduler.suggest()
    scheduler.on_trial_add(trial := SimpleNamespace(trial_id=0))
    for result, message in (
        ({"epoch": 1, "los": 1.0}, "did you mean los"),
        ({"loss": 1.0}, "time_attr 'epoch'"),
    ):
        with pytest.raises(ConfigurationError, match=f"^[^\n]*{message}[^\n]*$"):
            scheduler.on_trial_result(trial, result)
