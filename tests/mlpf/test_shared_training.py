"""Two processes, or accumulated batches, train as one process does with the same steps.

Elements are spread unevenly over events, batches and ranks; the last batch has one event for two ranks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.batches import joined
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import write_store
from mlpf_hpo.mlpf.module import MLPFModule
from tests.mlpf.shared_training import CASES, FOUR, N_RANKS, Recorded, Training, train

SIZES = {"train": (40, 3, 1, 25, 9, 60, 17, 33, 5), "validation": (12, 30, 1)}
WITHOUT_TARGET = 2
"""Number of an event none of whose elements has a target."""


@pytest.fixture(scope="module")
def folder(make_batch, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("events")
    for name, sizes in SIZES.items():
        events = []
        for number, size in enumerate(sizes):
            no_target = [0] if number == WITHOUT_TARGET else []
            x, _, y = make_batch([size], seed=number, no_target=no_target, dtype=torch.float32)
            events.append(Event(x.numpy(), y.numpy(), None, number, "ttbar", 0.0, None, None))
        write_store(made / name, events, {})
    return made


@pytest.fixture(scope="module")
def by_two(folder) -> dict[str, list[Training]]:
    """Every case as two processes with gloo trained it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.mlpf.shared_training", str(folder)],
            env={**os.environ, **environment, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(N_RANKS)
    ]
    try:
        outputs = [rank.communicate(timeout=300)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * N_RANKS, "\n".join(outputs)
    return {
        name: [Training(**torch.load(folder / f"{name}-{rank}.pt")) for rank in range(N_RANKS)]
        for name in CASES
    }


@pytest.fixture(scope="module", params=CASES)
def case(request, folder, by_two) -> tuple[list[Training], Training]:
    chosen = CASES[request.param]
    return by_two[request.param], train(folder, chosen.layers, 1, **chosen.alone)


def equal_gradients(one: Training, other: Training) -> None:
    assert len(one.gradients) == len(other.gradients) > 2
    for mine, theirs in zip(one.gradients, other.gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10 * float(theirs.abs().max()))


def equal_curves(one: Training, other: Training) -> None:
    assert len(one.epochs) == 2
    for mine, theirs in zip(one.epochs, other.epochs, strict=True):
        physics = {name: value for name, value in theirs.items() if name.startswith(("train/", "val/"))}
        assert {name: mine[name] for name in physics} == pytest.approx(physics, rel=1e-9)


def test_two_processes_have_the_gradients_of_one(case) -> None:
    ranks, alone = case
    for rank in ranks:
        equal_gradients(rank, alone)


def test_two_processes_tell_the_curve_of_one(case) -> None:
    ranks, alone = case
    for rank in ranks:
        equal_curves(rank, alone)


def test_two_processes_tell_the_throughput_of_both(case) -> None:
    """Of an epoch after the first, of which the batch that warms up is left out."""
    (one, other), alone = ([training.epochs[-1] for training in case[0]], case[1].epochs[-1])
    assert one == other
    counted = one["throughput/events_per_second"] * one["time/train_seconds"]
    assert counted == pytest.approx(len(SIZES["train"]))
    for name in ("flop_per_event", "padding_ratio"):
        assert one[f"throughput/{name}"] == pytest.approx(alone[f"throughput/{name}"], rel=1e-12)
    assert 0 < one["throughput/fraction_of_gemm_peak"] < 1
    assert one["time/data_wait_share"] < 1


def test_the_last_batch_left_a_rank_without_events(by_two) -> None:
    """Else the others would not show that this does not matter."""
    shares = np.array([rank.batch_events for rank in by_two["two layers"]])
    assert shares.sum(axis=0).tolist() == [4, 4, 1] * 2
    assert (shares.min(axis=0) == 0).any()


def test_accumulated_batches_have_the_gradients_and_the_curve_of_whole_ones(folder) -> None:
    whole = train(folder, 1, 1, **FOUR)
    parts = train(folder, 1, 1, batch_events=2, accumulated=2)  # 2 + 2, 2 + 2, and 1
    equal_gradients(parts, whole)
    equal_curves(parts, whole)


@pytest.mark.parametrize("accumulated", [1, 3])
def test_batches_that_lack_the_counts_of_their_step_are_refused(accumulated: int) -> None:
    module = Recorded(0)
    module._accumulated = 2
    batch = module.on_after_batch_transfer(joined([]), 0)
    if accumulated > 1:
        batch.step_pid, batch.accumulated = batch.y[:, 0], accumulated
    with pytest.raises(ConfigurationError, match="accumulate_grad_batches=2"):
        module.training_step(batch, 0)


def test_a_batch_without_events_has_no_loss_and_a_gradient_of_zero() -> None:
    module: MLPFModule = Recorded(2)
    loss = module.training_step(module.on_after_batch_transfer(joined([]), 0), 0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(float(parameter.grad.abs().sum()) == 0 for parameter in module.parameters())
