"""The baseline that training is compared with is the same function: else its times would say nothing."""

from __future__ import annotations

import pytest
import torch

from benchmarks.padded import PaddedMLPF, pad, padded_loss, slots_for
from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.network import MLPF

WIDTHS = {"embedding_dim": 6, "hash_columns": 64, "class_head": (8, 6), "charge_head": (5,)}


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8 * max(1.0, float(other.detach().abs().max())))


@pytest.fixture(params=[(0, 0), (1, 0), (2, 3)], ids=["no layers", "id only", "two and three"])
def network(request) -> MLPF:
    n_id, n_reg = request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return MLPF(n_id, n_reg, 0.0, 8, 12, **WIDTHS, regression_head=(7, 4)).double()


@pytest.mark.parametrize("more_slots", [0, 40], ids=["to the longest", "to a fixed size"])
def test_the_same_numbers_and_gradients_as_the_ragged_network(make_batch, network, more_slots: int) -> None:
    sizes = [1, 40, 17, 8]
    x, ptr, y = make_batch(sizes, no_target=[2])
    predictions = network(x, ptr)
    loss = mlpf_loss(predictions, y).total
    loss.backward()

    padded = PaddedMLPF(network)
    slots = slots_for(max(sizes), 8) + more_slots
    events, targets = pad(x.split(sizes), slots), pad(y.split(sizes), slots)
    mask = events[..., 0] > 0
    output = padded(events, mask)
    padded_loss(output, targets, mask).backward()

    p = predictions
    columns = [p.charge, p.pt, p.eta, p.sin_phi, p.cos_phi, p.energy]
    close(output[mask], torch.cat([p.logits, torch.stack(columns, dim=1)], dim=1))
    close(padded_loss(output, targets, mask), loss)
    close(padded.norm.weight.grad, network.norm.weight.grad)
    close(padded.pt_head[0].weight.grad, network.heads.pt_head[0].weight.grad)
    for plain, ours in zip(padded.reg_layers, network.reg_layers, strict=True):
        weight = torch.cat([linear.weight.grad for linear in (plain.theta, plain.h, plain.t)])
        close(weight, ours.message.weight.grad)
        close(plain.embed_in.weight.grad, ours.embed_in.weight.grad)


def test_it_drops_as_often(make_network) -> None:
    network = make_network(2, 1, dropout=0.4)
    dropped = [m.p for m in PaddedMLPF(network).modules() if isinstance(m, torch.nn.Dropout)]
    assert sorted(dropped) == sorted(m.p for m in network.modules() if isinstance(m, Dropout))
