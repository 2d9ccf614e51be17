"""The network and its loss against a second, naive version that shares no code with the library."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from mlpf_hpo.mlpf.loss import TERMS, mlpf_loss

NAMES = ("logits", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy")


def elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.exp(torch.where(x > 0, 0.0, x)) - 1)


def dense(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def head(w: dict[str, Tensor], name: str, x: Tensor, n_hidden: int) -> Tensor:
    for i in range(n_hidden):
        x = elu(dense(w, f"{name}.{3 * i}", x))  # linear, elu, dropout
    return dense(w, f"{name}.{3 * n_hidden}", x)


def one_bin(e: Tensor, x_theta: Tensor, members: list[int], size: int) -> list[Tensor]:
    """Return what the members of a bin, padded to `size`, receive."""
    pad = size - len(members)
    mask = torch.tensor([1.0] * len(members) + [0.0] * pad, dtype=e.dtype)
    points = torch.cat([e[members], torch.full((pad, e.shape[1]), 3.0, dtype=e.dtype)])
    messages = torch.cat([x_theta[members], torch.full((pad, x_theta.shape[1]), 5.0, dtype=e.dtype)])
    squared = ((points[:, None, :] - points[None, :, :]) ** 2).sum(dim=-1)
    distance = torch.sqrt(torch.where(squared > 1e-6, squared, 1e-6))
    kernel = torch.exp(-0.1 * distance) * mask[:, None] * mask[None, :]
    n = (kernel.sum(dim=1) + 1e-6) ** -0.5
    return list((n[:, None] * (kernel @ (n[:, None] * messages)))[: len(members)])


def layer(w: dict[str, Tensor], name: str, x: Tensor, size: int) -> Tensor:
    """Return a graph layer's output for one event."""
    e = dense(w, f"{name}.embed_out", elu(dense(w, f"{name}.embed_in", x)))
    together = w[f"{name}.message.weight"]
    width = len(together) // 3
    w_theta, w_h, w_t = together[:width], together[width : 2 * width], together[2 * width :]
    n_bins = math.ceil(len(x) / size)
    codes = [0] * len(x)
    if n_bins > 1:
        h = max(1, n_bins // 2)
        for i in range(len(x)):
            m = (e[i].detach() @ w[f"{name}.hyperplanes"])[:h].tolist()
            both = m + [-value for value in m]
            codes[i] = both.index(max(both))
    order = sorted(range(len(x)), key=lambda i: codes[i])
    received: dict[int, Tensor] = {}
    for first in range(0, len(x), size):
        members = order[first : first + size]
        received.update(zip(members, one_bin(e, x @ w_theta.T, members, size), strict=True))
    homogeneous = torch.stack([received[i] for i in range(len(x))])
    g = 1 / (1 + torch.exp(-(x @ w_t.T + w[f"{name}.gate_bias"])))
    return elu(g * homogeneous + (1 - g) * (x @ w_h.T))


def one_event(w: dict[str, Tensor], x: Tensor, n_id: int, n_reg: int, size: int) -> tuple[Tensor, ...]:
    types = torch.tensor([[float(t == kind) for kind in range(3)] for t in x[:, 0]], dtype=x.dtype)
    inputs = torch.cat([types, x[:, 1:]], dim=1)
    stacks = []
    for name, n_layers in (("id", n_id), ("reg", n_reg)):
        outputs, value = [inputs], inputs
        for i in range(n_layers):
            value = layer(w, f"{name}_layers.{i}", value, size)
            outputs.append(value)
        stacks.append(torch.cat(outputs, dim=1))
    for_id, for_reg = stacks
    mean = for_id.mean(dim=1, keepdim=True)
    variance = ((for_id - mean) ** 2).mean(dim=1, keepdim=True)
    for_id = (for_id - mean) / torch.sqrt(variance + 1e-5) * w["norm.weight"] + w["norm.bias"]
    logits = head(w, "heads.class_head", for_id, 2)
    with_class = torch.cat([for_id, logits.detach()], dim=1)
    with_reg = torch.cat([with_class, for_reg], dim=1)
    phi = head(w, "heads.phi_head", with_class, 2)
    return (
        logits,
        head(w, "heads.charge_head", for_id, 1)[:, 0],
        torch.abs(head(w, "heads.pt_head", with_reg, 2)[:, 0]),
        x[:, 2] + head(w, "heads.eta_head", with_class, 2)[:, 0],
        x[:, 3] + phi[:, 0],
        x[:, 4] + phi[:, 1],
        torch.abs(x[:, 5] + head(w, "heads.energy_head", with_reg, 2)[:, 0]),
    )


def huber(error: Tensor, delta: float) -> Tensor:
    size = torch.abs(error)
    return torch.where(size <= delta, 0.5 * error**2, delta * (size - 0.5 * delta))


def loss(out: tuple[Tensor, ...], y: Tensor) -> tuple[list[Tensor], list[int], Tensor]:
    """Return sums, counts and the total, in the order class, charge, pt, eta, sin, cos, energy."""
    logits, charge, pt, eta, sin_phi, cos_phi, energy = out
    asked = [i for i in range(len(y)) if y[i, 0] > 0]
    sums = [
        sum((torch.log(torch.exp(row).sum()) - row[int(t)] for row, t in zip(logits, y[:, 0], strict=True))),
        ((charge - y[:, 1])[asked] ** 2).sum(),
        huber((pt - y[:, 2])[asked], 1.0).sum(),
        huber((eta - y[:, 3])[asked], 0.1).sum(),
        huber((sin_phi - y[:, 4])[asked], 0.1).sum(),
        huber((cos_phi - y[:, 5])[asked], 0.1).sum(),
        huber((energy - y[:, 6])[asked], 1.0).sum(),
    ]
    counts = [len(y)] + [len(asked)] * 6
    weights = [1, 1, 100, 100, 100, 100, 100]
    total = sum(k * s / max(n, 1) for k, s, n in zip(weights, sums, counts, strict=True))
    return sums, counts, total


def agree(one: Tensor, other: Tensor, what: str) -> None:
    scale = float(other.detach().abs().max()) if other.numel() else 0.0
    torch.testing.assert_close(
        one, other, rtol=1e-6, atol=1e-6 * max(scale, 1e-6), msg=lambda text: f"{what}: {text}"
    )


def around(size: int) -> list[int]:
    """Events of one element, less than a bin, just a bin, one more, exact multiples, many bins."""
    return [1, size - 1, size, size + 1, 2 * size, 5 * size + 3]


CORNERS = [
    # layers id, reg, bin size, output_dim, sizes, events without a target, hash columns
    pytest.param(0, 0, 8, 8, around(8), [], 64, id="no layers"),
    pytest.param(1, 0, 8, 8, around(8), [2], 64, id="id only"),
    pytest.param(0, 1, 16, 8, around(16), [], 64, id="reg only"),
    pytest.param(1, 1, 8, 16, [1], [], 64, id="one element"),
    pytest.param(1, 1, 8, 8, [1], [0], 64, id="one element, no target"),
    pytest.param(1, 1, 16, 8, [5, 33, 16], [0, 1, 2], 64, id="no target at all"),
    pytest.param(1, 1, 8, 8, [7, 0, 20, 0], [], 64, id="empty events"),
    pytest.param(2, 1, 8, 8, [200, 3], [], 12, id="as few hash columns as possible"),
    pytest.param(4, 4, 8, 8, around(8), [0], 64, id="four layers"),
    pytest.param(4, 1, 16, 32, [40, 17], [], 64, id="four and one"),
    pytest.param(1, 4, 32, 64, around(32), [], 64, id="bins of 32"),
    pytest.param(2, 2, 64, 128, around(64), [3], 64, id="bins of 64"),
    pytest.param(1, 1, 128, 256, around(128), [], 64, id="bins of 128"),
]


@pytest.mark.parametrize(("n_id", "n_reg", "size", "output_dim", "sizes", "no_target", "columns"), CORNERS)
@pytest.mark.parametrize("training", [True, False])
def test_forward_loss_and_every_gradient(
    make_batch, make_network, n_id, n_reg, size, output_dim, sizes, no_target, columns, training
) -> None:
    # Without dropout in training, with it in evaluation, where it must do nothing.
    dropout = 0.0 if training else 0.5
    network = make_network(n_id, n_reg, size, output_dim, dropout, columns).train(training)
    x, ptr, y = make_batch(sizes, no_target=no_target)
    predictions = network(x, ptr)
    terms = mlpf_loss(predictions, y)
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(terms.total, parameters.values(), allow_unused=True)

    w = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for name in parameters:
        w[name].requires_grad_()
    events = [one_event(w, x[a:b], n_id, n_reg, size) for a, b in pairwise(ptr) if b > a]
    expected = tuple(torch.cat(parts) for parts in zip(*events, strict=True))
    sums, counts, total = loss(expected, y)
    expected_gradients = torch.autograd.grad(total, [w[name] for name in parameters], allow_unused=True)

    for name, value in zip(NAMES, expected, strict=True):
        agree(getattr(predictions, name), value, name)
    assert terms.counts.tolist() == counts
    for i, name in enumerate(TERMS):
        agree(terms.sums[i], sums[i], f"loss {name}")
    agree(terms.total, total, "loss")
    for name, got, wanted in zip(parameters, gradients, expected_gradients, strict=True):
        zero = torch.zeros_like(parameters[name])
        agree(zero if got is None else got, zero if wanted is None else wanted, f"gradient of {name}")


def test_every_parameter_learns(make_batch, make_network) -> None:
    """Agreement of zeros would say nothing."""
    network = make_network(2, 2)
    x, ptr, y = make_batch([40, 9])
    mlpf_loss(network(x, ptr), y).total.backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert dead == []
