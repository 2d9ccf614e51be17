"""Operations are those that PyTorch's counter sees in the plain network, nearly those of the ragged one."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.padded import PaddedMLPF, pad, padded_loss
from mlpf_hpo.mlpf.flop import inference_flop, training_flop
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.network import MLPF

CORNERS = [(0, 0, 8, 8), (1, 0, 16, 8), (0, 2, 8, 32), (3, 3, 32, 64), (4, 1, 128, 256)]


def wide(n_id: int, n_reg: int, bin_size: int, output_dim: int) -> MLPF:
    heads = {"class_head": (64, 32, 16), "charge_head": (64,), "regression_head": (64, 32)}
    return MLPF(n_id, n_reg, 0.1, bin_size, output_dim, embedding_dim=24, hash_columns=64, **heads)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("bins", [1, 5])
def test_equal_to_the_counter_on_the_plain_network_without_padding(make_batch, corner, bins: int) -> None:
    network = wide(*corner)
    sizes = [bins * network.bin_size] * 3
    x, _, y = make_batch(sizes, dtype=torch.float32)
    events, targets = pad(x.split(sizes), sizes[0]), pad(y.split(sizes), sizes[0])
    mask = torch.ones(events.shape[:2], dtype=torch.bool)
    plain = PaddedMLPF(network)
    with FlopCounterMode(display=False) as inference, torch.no_grad():
        plain(events, mask)
    with FlopCounterMode(display=False) as training:
        padded_loss(plain(events, mask), targets, mask).backward()
    # An event of one bin needs no hash, which the plain network draws all the same.
    hashing = 2 * 24 * sum(sizes) * sum(corner[:2]) if bins == 1 else 0
    assert inference_flop(network, sizes) + hashing == inference.get_total_flops()
    assert training_flop(network, sizes) + hashing == training.get_total_flops()


@pytest.mark.parametrize("corner", CORNERS[3:])
def test_near_to_the_counter_on_the_ragged_network(make_batch, corner) -> None:
    """What it adds are aligned widths, what it saves gradients of the logits that nobody reads."""
    network = wide(*corner)
    sizes = [4 * network.bin_size] * 2
    x, ptr, y = make_batch(sizes, dtype=torch.float32)
    with FlopCounterMode(display=False) as counter:
        mlpf_loss(network(x, ptr), y).total.backward()
    assert counter.get_total_flops() == pytest.approx(training_flop(network, sizes), rel=0.08)


def test_padding_does_not_count() -> None:
    network = wide(1, 1, 32, 64)
    assert training_flop(network, [33]) < training_flop(network, [64])
    assert training_flop(network, [33, 0, 7]) == training_flop(network, [33]) + training_flop(network, [7])
    # Pairs within bins: 32 x 32 and 1 x 1, not 64 x 64; two layers of embedding 24 and width 64.
    pairs = 2 * 3 * 2 * (24 + 64)
    alone = training_flop(network, [32]) + training_flop(network, [1])
    hashing = 2 * 2 * 24 * 33
    assert training_flop(network, [33]) == alone + hashing
    assert training_flop(network, [64]) - training_flop(network, [33]) > pairs * (32**2 - 1)
