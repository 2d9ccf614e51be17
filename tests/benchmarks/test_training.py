"""What is not a time in the benchmark of training is checked against what is known; the rest is whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmarks import clock, training
from benchmarks.cases import LAPTOP, LAPTOP_CONFIGURATION, batch_of
from benchmarks.compilation import compile_parts, from_scratch, possible
from benchmarks.framework import shares
from benchmarks.ranks import efficiency
from mlpf_hpo.mlpf.module import MLPFModule


def test_the_overhead_of_the_framework_is_measured() -> None:
    found = shares({"train": 4, "validation": 1}, elements=20, epochs=4)
    assert -1 < found["framework.low"] <= found["framework_overhead"] <= found["framework.high"]
    assert found["framework.throughput_share"] > 0
    assert found["framework.checkpoint_share"] > 0


def test_two_processes_train_beside_one() -> None:
    assert efficiency([40, 30, 20], rounds=1) > 0


def test_a_share_of_the_peak_is_that_of_products_of_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that a step moves by 10 s and a product by 2 s, whatever the real ones take."""
    hands = [0.0]

    def moves(by: float) -> clock.Step:
        def work() -> None:
            hands[0] += by

        return work

    monkeypatch.setattr(clock, "now", lambda: hands[0])
    monkeypatch.setattr(training, "gemm", lambda order: moves(2.0))
    per_product = 2.0 * training.ORDER**3
    assert training.share_of_peak(moves(10.0), 3 * per_product, rounds=3) == pytest.approx(3 / 5)


@pytest.fixture
def compiled() -> Iterator[None]:
    with from_scratch():
        yield
    torch._dynamo.reset()


def test_what_is_compiled_is_the_same_function(compiled: None) -> None:
    """With the tracer and its gradients, without the minute of the C++ compiler behind it."""
    configuration = {**LAPTOP_CONFIGURATION, "n_glayers_id": 1, "n_glayers_reg": 1, "dropout": 0.0}

    def gradients(backend: str | None) -> list[torch.Tensor]:
        module = MLPFModule(configuration, LAPTOP, seed=1)
        if backend is not None:
            compile_parts(module, backend)
        module.training_step(batch_of([96, 64]), 1).backward()
        return [parameter.grad for parameter in module.parameters()]

    for one, other in zip(gradients("aot_eager"), gradients(None), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    assert torch._dynamo.utils.counters["stats"]["calls_captured"] > 0


def test_a_compiler_that_is_not_there_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not possible()
