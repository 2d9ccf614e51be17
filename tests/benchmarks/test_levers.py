"""Without a lever the network is the same function, otherwise computed; a profile sees all its products."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.cases import LAPTOP, LAPTOP_CONFIGURATION, batch_of, ragged_step
from benchmarks.levers import LEVERS, pytorch_alone
from benchmarks.operations import profiled
from mlpf_hpo.mlpf import blockwise
from mlpf_hpo.mlpf.flop import training_flop
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.mlpf.native.kernels import kernels

SIZES = [96, 64]
SAME_OPERATIONS = {"kept_memory"}


def module(dropout: float) -> MLPFModule:
    configuration = {
        **LAPTOP_CONFIGURATION,
        "n_glayers_id": 2,
        "n_glayers_reg": 1,
        "dropout": dropout,
        "bin_size": 16,
    }
    return MLPFModule(configuration, LAPTOP, seed=1)


def gradients(of: MLPFModule) -> list[torch.Tensor]:
    of = of.double()
    batch = batch_of(SIZES)
    batch.x, batch.y = batch.x.double(), batch.y.double()
    batch.x[:, 1:] /= 10  # elements so near that the kernel passes a gradient
    of.training_step(batch, 1).backward()
    return [parameter.grad for parameter in of.parameters()]


class Operations(TorchDispatchMode):
    """Takes down what PyTorch is asked to do, and on which shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        shapes = [tuple(a.shape) for a in args if isinstance(a, torch.Tensor)]
        self.asked.append(f"{func} {shapes}")
        return func(*args, **(kwargs or {}))


def asked() -> list[str]:
    of = module(dropout=0.3)
    with pytorch_alone(), Operations() as operations:
        of.training_step(batch_of(SIZES), 1)
    return operations.asked


@pytest.mark.parametrize("lever", LEVERS)
def test_without_a_lever_it_is_the_same_function(lever: str) -> None:
    with_it = gradients(module(dropout=0.0))
    with LEVERS[lever]():
        without = gradients(module(dropout=0.0))
    for one, other in zip(without, with_it, strict=True):
        # Distances do not change when all elements shift: that bias has no gradient, but for rounding.
        atol = max(1e-7 * float(other.abs().max()), 1e-12)
        torch.testing.assert_close(one, other, rtol=1e-7, atol=atol)


@pytest.mark.parametrize("lever", [name for name in LEVERS if name not in SAME_OPERATIONS])
def test_a_lever_is_taken_away_and_put_back(lever: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(blockwise.BLOCK, "cpu", sum(SIZES) // 2)
    before = asked()
    with LEVERS[lever]():
        assert asked() != before
    assert asked() == before


@pytest.mark.parametrize("by", ["kernels", "PyTorch alone"])
def test_the_products_of_a_step_are_those_of_the_network(by: str) -> None:
    if by == "kernels" and kernels() is None:
        pytest.skip("no C compiler here")
    of = module(dropout=0.3)
    with nullcontext() if by == "kernels" else pytorch_alone():
        found = profiled(ragged_step(of, batch_of(SIZES)), rounds=1)
    products = {kind: found.get(f"{kind}_products.flop", 0.0) for kind in ("head", "layer", "bin")}
    pairs, width, embedding = 16 * sum(SIZES), LAPTOP_CONFIGURATION["output_dim"], LAPTOP.embedding_dim
    # Three layers; y, and two gradients. By hand that of distances, which are symmetric, is one product.
    of_distances = 2 if by == "kernels" else 3
    of_bins = 3 * 2 * pairs * (3 * width + of_distances * embedding)
    assert products["bin"] == (0 if by == "kernels" else of_bins), "kernels make theirs, and tell nothing"
    all_of_them = products["head"] + products["layer"] + of_bins
    assert all_of_them == pytest.approx(training_flop(of.network, SIZES), rel=0.02)
    told = [value for name, value in found.items() if name.endswith(".seconds")]
    assert sum(told) == pytest.approx(found["step_seconds"])
    assert min(told) >= 0
    assert found["kernels.seconds" if by == "kernels" else "masks.seconds"] > 0
    assert found["optimiser.seconds"] > 0
