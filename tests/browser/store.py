"""A small MLflow store by the project's own writer: a campaign on two machines, a search, a champion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mlpf_hpo.hardware.host import HostInfo, describe_host
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.model_file import trusted_types
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tracking.aliases import make_model, promote
from mlpf_hpo.tracking.client import ARTIFACTS, DATABASE, connect
from mlpf_hpo.tracking.host_records import host_note
from mlpf_hpo.tracking.registry import register_predictor
from mlpf_hpo.tracking.writer import NOTE, RunWriter
from tests.browser.large_campaign import CAMPAIGN, TRIALS, write_trials

MACHINES = {"box-a": 5, "box-b": 7}
"""Label of a machine -> trials that it trained."""

EPOCHS, SEARCHED = 4, 3

CHAMPION = "curve-predictor-val-loss-5-epochs-0123abcd"
"""Registered model of the predictor."""


@dataclass(frozen=True)
class Filled:
    """What the store holds: run ids of the campaign's trials by best loss, and each run's machine."""

    best: list[str]
    machine_of: dict[str, str]
    champion_run: str


@dataclass(frozen=True)
class Machine:
    """This machine under another name, as MLPF_HPO_HARDWARE_LABEL makes it."""

    host: HostInfo
    label: str

    @property
    def record(self) -> dict:
        return {**self.host.record(), "hardware_label": self.label, "cpu_model": f"CPU of {self.label}"}

    @property
    def tags(self) -> dict[str, str]:
        return {**self.host.tags(), "hardware_label": self.label}


def fill(folder: Path) -> Filled:
    """Fill the database that `mlpf-hpo` finds in a folder."""
    uri = f"sqlite:///{folder / DATABASE}"
    writer = RunWriter(connect(uri))
    machine_of: dict[str, str] = {}
    losses: dict[str, float] = {}
    machines = [Machine(describe_host(), label) for label, n in MACHINES.items() for _ in range(n)]
    generator = np.random.default_rng(0)
    for number, machine in enumerate(machines):
        parent = _parent(writer, "campaign", "c0ffee", machine)
        run_id, best = _trial(writer, "campaign", "c0ffee", parent, number, machine, {}, generator)
        machine_of[run_id], losses[run_id] = machine.label, best
    writer.close(parent, "finished")
    for identity, scheduler in (("5ea1", "asha"), ("5ea2", "asha+prediction")):
        parent = _parent(writer, "search", identity, machines[0])
        for number in range(SEARCHED):
            told = {"scheduler": scheduler}
            _trial(writer, "search", identity, parent, number, machines[0], told, generator)
        writer.close(parent, "finished")
    large = writer.open_parent(
        "campaign", CAMPAIGN, f"campaign-{CAMPAIGN}", {}, {"trials": TRIALS}, "A note."
    )
    write_trials(writer.client, writer.experiment_id("campaign"), large)
    writer.close(large, "finished")
    champion_run = _champion(writer, folder)
    assert (folder / ARTIFACTS).is_dir()
    return Filled(sorted(losses, key=losses.__getitem__), machine_of, champion_run)


def _parent(writer: RunWriter, kind: str, identity: str, machine: Machine) -> str:
    return writer.open_parent(
        kind, identity, f"{kind}-{identity}", machine.tags, {"seed": 0}, "A note.", host=machine.record
    )


def _trial(
    writer: RunWriter,
    kind: str,
    identity: str,
    parent: str,
    number: int,
    machine: Machine,
    tags: dict[str, str],
    generator: np.random.Generator,
) -> tuple[str, float]:
    note = host_note(writer.experiment_id(kind), parent, machine.record)
    run_id = writer.open_trial(
        parent,
        kind,
        identity,
        f"t{number:03d}",
        f"key{number}",
        TABLE_1.sample(np.random.default_rng(number)),
        number,
        {**machine.tags, NOTE: note, **tags},
        digest="d1",
    )
    losses = 500 + 100 * generator.random() + 100 / np.arange(1, EPOCHS + 1)
    losses[-1] += 50 * generator.random()  # the best epoch is not the last
    for epoch, loss in enumerate(losses, start=1):
        metrics = {"val/loss": loss, "train/loss": loss - 1, "throughput/events_per_second": 100 + number}
        writer.log_epoch(run_id, epoch, metrics)
    writer.close(run_id, "finished")
    return run_id, float(losses.min())


def _champion(writer: RunWriter, folder: Path) -> str:
    generator = np.random.default_rng(0)
    lr = np.exp(generator.uniform(-8, -4, 16))
    frame = pd.DataFrame({"lr": lr, **{f"loss_{e}": 1 + 100 * lr + np.exp(-e) for e in range(5)}})
    run_id = writer.open_parent("predictors", "p-svr", "svr-p", {"predictor": "svr"}, {"seed": 0}, "A note.")
    make_model(writer.client, CHAMPION, "Predicts val/loss after 5 epochs.", {"n_epochs": "5"})
    version = register_predictor(
        writer.client,
        make_predictor("svr", PredictorsParams(), 0, [0, 2]).fit(frame, frame["loss_4"]),
        frame.head(3),
        model=CHAMPION,
        trusted=trusted_types(),
        run_id=run_id,
        digest="c0ffee00",
        dataset_path=folder / "curves.parquet",
        metrics={"outer/spearman": 0.9},
        tags={"predictor": "svr", "source": "campaign c0ffee"},
    )
    promote(writer.client, version, "champion")
    writer.close(run_id, "finished")
    return run_id
