"""A loss differentiated block by block is the loss, its gradients are the gradients, and little is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlpf_hpo.mlpf import blockwise
from mlpf_hpo.mlpf.blockwise import training_loss
from mlpf_hpo.mlpf.loss import LossTerms, loss_counts, mlpf_loss
from mlpf_hpo.mlpf.network import MLPF


def plain(network: MLPF, batch: tuple[Tensor, Tensor, Tensor], counts: Tensor) -> tuple[Tensor, Tensor]:
    x, ptr, y = batch
    sums = mlpf_loss(network(x, ptr), y).sums
    return LossTerms(sums, counts).total, sums.detach()


def gradients(network: MLPF, loss: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    loss.backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("block", [1, 7, 64, 10**6])
@pytest.mark.parametrize(
    ("layers", "sizes", "no_target"),
    [(0, [40, 3], []), (1, [1], [0]), (2, [33, 0, 70, 9], [3]), (1, [0], []), (2, [100, 28], [0, 1])],
)
def test_loss_and_every_gradient(
    make_batch, make_network, monkeypatch, block, layers, sizes, no_target
) -> None:
    monkeypatch.setitem(blockwise.BLOCK, "cpu", block)
    network, batch = make_network(layers, layers), make_batch(sizes, no_target=no_target)
    counts = loss_counts(batch[2][:, 0]) + 5.0  # as if another rank had some more
    expected, sums = plain(network, batch, counts)
    wanted = gradients(network, 3.0 * expected)
    loss, found = training_loss(network, *batch, counts)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, sums, rtol=1e-12, atol=1e-12)
    assert not found.requires_grad
    got = gradients(network, 3.0 * loss)
    assert got.keys() >= wanted.keys()
    for name, value in got.items():
        zero = torch.zeros_like(value)
        torch.testing.assert_close(value, wanted.get(name, zero), rtol=1e-9, atol=1e-9, msg=name)


def test_a_block_has_the_dropout_of_a_whole_batch(make_batch, make_network) -> None:
    network, batch = make_network(dropout=0.4), make_batch([50, 20])
    counts = loss_counts(batch[2][:, 0])
    losses = []
    for way in (plain, lambda network, batch, counts: training_loss(network, *batch, counts)):
        torch.manual_seed(3)
        losses.append(float(way(network, batch, counts)[0].detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_gradients_too_small_for_half_precision_get_through(make_batch, make_network) -> None:
    """The scaled loss brings them into its range, if nothing was differentiated before."""
    network, batch = make_network(dtype=torch.float32), make_batch([60, 30], dtype=torch.float32)
    counts, scale = loss_counts(batch[2][:, 0]) * 1e7, 2.0**20
    wanted = gradients(network, scale * plain(network, batch, counts)[0])
    with torch.autocast("cpu", dtype=torch.float16):
        loss, _ = training_loss(network, *batch, counts)
    got = gradients(network, scale * loss)
    error = sum(float((got[name] - value).square().sum()) for name, value in wanted.items())
    assert error < 1e-3 * sum(float(value.square().sum()) for value in wanted.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_mixed_precision_the_loss_is_the_terms_together(make_batch, make_network, dtype) -> None:
    network, batch = make_network(dtype=torch.float32), make_batch([60, 30], dtype=torch.float32)
    counts = loss_counts(batch[2][:, 0])
    with torch.autocast("cpu", dtype=dtype):
        loss, sums = training_loss(network, *batch, counts)
    assert loss.dtype == sums.dtype == torch.float32
    torch.testing.assert_close(loss, LossTerms(sums, counts).total, rtol=1e-6, atol=0)


class Kept:
    """Counts the bytes of the tensors that the backward pass waits for, and their peak."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def pack(self, tensor: Tensor) -> _Held:
        return _Held(self, tensor)

    @staticmethod
    def unpack(held: _Held) -> Tensor:
        return held.tensor


class _Held:
    def __init__(self, kept: Kept, tensor: Tensor) -> None:
        self.kept, self.tensor, self.bytes = kept, tensor, tensor.nbytes
        kept.now += self.bytes
        kept.peak = max(kept.peak, kept.now)

    def __del__(self) -> None:
        self.kept.now -= self.bytes


def test_of_the_heads_a_block_is_kept_at_a_time(make_batch, make_network, monkeypatch) -> None:
    network, batch = make_network(0, 0), make_batch([2000])
    counts, peaks = loss_counts(batch[2][:, 0]), []
    for block in (2000, 20):
        monkeypatch.setitem(blockwise.BLOCK, "cpu", block)
        kept = Kept()
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
            loss, _ = training_loss(network, *batch, counts)
        peaks.append(kept.peak)
        loss.backward()
    assert peaks[1] < 0.2 * peaks[0]
