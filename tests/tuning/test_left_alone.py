"""A campaign, a search and the reference training leave alone what another process trains already."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlpf_hpo.config import Params
from mlpf_hpo.errors import BusyError
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.tracking import driver_process
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.writer import RunWriter
from mlpf_hpo.tuning.campaign import run_campaign
from mlpf_hpo.tuning.named_scheduler import name_scheduler
from mlpf_hpo.tuning.search import open_search, search_id
from mlpf_hpo.tuning.task import plan_trials, trials_identity
from studies.reference_training.params import ReferenceParams
from studies.reference_training.training import reference_spec, train_reference

PARAMS = Params.model_validate({"campaign": {"trials": 2, "epochs": 2}, "search": {"configurations": 2}})

SPACE, TARGET = PARAMS.space.search_space(), PARAMS.target.with_mode()


def campaign(events: Path, state: Path, writer: RunWriter) -> str:
    run_campaign(
        task_of(PARAMS, events), SPACE, TARGET, PARAMS.campaign,
        seed=PARAMS.seed, resources=PARAMS.resources, state=state,
    )  # fmt: skip
    raise AssertionError


def trials_id(events: Path) -> str:
    return trials_identity(task_of(PARAMS, events), SPACE, PARAMS.seed)


ASHA = name_scheduler(PARAMS.search.schedulers[0], 0, PARAMS.search, TARGET)


def search(events: Path, state: Path, writer: RunWriter) -> None:
    specs = plan_trials(task_of(PARAMS, events), SPACE, PARAMS.seed, 2, purpose="search")
    open_search(ASHA, specs, trials_id(events), PARAMS.search.max_epochs, PARAMS.seed, writer)


def reference(events: Path, state: Path, writer: RunWriter) -> None:
    train_reference(ReferenceParams(), events, state, state / "out", lambda report: None)


@pytest.mark.parametrize("train", [campaign, search, reference], ids=lambda train: train.__name__)
def test_what_another_process_trains_is_left_alone(
    train, stores, empty_database: Path, tmp_path: Path, monkeypatch
) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    events = tmp_path / "events"
    for name, store in (("train", stores[0]), ("validation", stores[1]), ("ttbar", stores[1])):
        shutil.copytree(store, events / name)
    identity = {
        "campaign": trials_id(events),
        "search": search_id(ASHA, trials_id(events), 2),
        "reference": reference_spec(ReferenceParams(), events).key,
    }[train.__name__]
    writer = RunWriter(connect())
    parent = writer.open_parent(train.__name__, identity, "theirs", {}, {}, "a note")
    trial = writer.open_trial(parent, train.__name__, identity, "t000", "deadbeef", {}, 7)
    theirs = {
        **driver_process.driver_tags(10.0),
        driver_process.MACHINE: "far-away",
        driver_process.PROCESS: "77",
        driver_process.PROCESS_TABLE: "another",
    }
    for name, value in theirs.items():
        writer.client.set_tag(parent, name, value)
    before = [writer.client.get_run(run).to_dictionary() for run in (parent, trial)]
    with pytest.raises(
        BusyError, match=f"^{train.__name__} {identity}: process 77 on far-away, .*, trains it: "
    ):
        train(events, tmp_path / "state", writer)
    after = [writer.client.get_run(run).to_dictionary() for run in (parent, trial)]
    assert after == before
    assert not (tmp_path / "state" / "checkpoints").exists()
