"""MLPF as it was published: every event padded to one size, one dense batch, separate linear maps.

The baseline of `benchmarks.training`: the same function as `mlpf_hpo.mlpf.network`, written plainly from its
formulas. `PaddedMLPF` takes copies of the weights of a ragged network; without dropout both give the same
numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf_hpo.events.schema import TARGETS
from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.heads import Head
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.loss import HUBER_DELTA, WEIGHTS
from mlpf_hpo.mlpf.network import ENERGY, ETA, MLPF, N_TYPES, SIN_PHI

HEADS = ("class_head", "charge_head", "eta_head", "phi_head", "energy_head", "pt_head")


class PaddedLayer(nn.Module):
    """A graph layer on events of one padded size."""

    def __init__(self, layer: GraphLayer, bin_size: int) -> None:
        super().__init__()
        theta, h, t = layer.message.weight.chunk(3)
        self.bin_size = bin_size
        self.embed_in, self.embed_out = copy.deepcopy(layer.embed_in), copy.deepcopy(layer.embed_out)
        self.theta, self.h, self.t = _linear(theta), _linear(h), _linear(t, layer.gate_bias)
        self.dropout = nn.Dropout(layer.dropout.p)
        self.register_buffer("hyperplanes", layer.hyperplanes.clone())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the output [B, M, width] for `x` [B, M, inputs] and `mask` [B, M]: what is real."""
        batch, slots, _ = x.shape
        e = self.embed_out(functional.elu(self.embed_in(x)))
        order = self.codes(e, mask).argsort(dim=1, stable=True)

        def binned(values: Tensor) -> Tensor:
            found = torch.gather(values, 1, order.unsqueeze(2).expand(-1, -1, values.shape[2]))
            return found.view(batch, slots // self.bin_size, self.bin_size, -1)

        kernel = self.kernel(binned(e), torch.gather(mask, 1, order).view(batch, -1, self.bin_size))
        n = (kernel.sum(dim=3, keepdim=True) + 1e-6) ** -0.5
        messages = (n * (kernel @ (n * binned(self.theta(x))))).view(batch, slots, -1)
        where = order.unsqueeze(2).expand_as(messages)
        hom = torch.zeros_like(messages).scatter(1, where, messages)
        g = torch.sigmoid(self.t(x))
        out: Tensor = self.dropout(functional.elu(g * hom + (1 - g) * self.h(x)))
        return out

    def codes(self, e: Tensor, mask: Tensor) -> Tensor:
        """Return the hash code of each slot, [B, M]; padding comes after everything."""
        n_bins = (mask.sum(dim=1) + self.bin_size - 1) // self.bin_size
        h = (n_bins // 2).clamp(min=1)
        columns = max(1, e.shape[1] // self.bin_size // 2)
        m = e.detach() @ self.hyperplanes[:, :columns]
        unused = torch.arange(columns, device=e.device) >= h.view(-1, 1, 1)
        both = torch.cat([m.masked_fill(unused, -torch.inf), (-m).masked_fill(unused, -torch.inf)], dim=2)
        codes = both.argmax(dim=2) * (n_bins > 1).view(-1, 1)
        return codes.masked_fill(~mask, 2 * columns)

    @staticmethod
    def kernel(e: Tensor, mask: Tensor) -> Tensor:
        """Return exp(-0.1 |e_i - e_j|) within bins, zero for padding."""
        squares = (e * e).sum(dim=3)
        squared = squares.unsqueeze(3) + squares.unsqueeze(2) - 2 * (e @ e.transpose(2, 3))
        kernel = torch.exp(-0.1 * torch.sqrt(torch.clamp(squared, min=1e-6)))
        return kernel * mask.unsqueeze(3) * mask.unsqueeze(2)


class PaddedMLPF(nn.Module):
    """The whole network; its output is [B, M, 6 + 6]: logits, charge, pt, eta, sin phi, cos phi, energy."""

    def __init__(self, network: MLPF) -> None:
        super().__init__()
        size = network.bin_size
        self.id_layers = nn.ModuleList(PaddedLayer(layer, size) for layer in network.id_layers)
        self.reg_layers = nn.ModuleList(PaddedLayer(layer, size) for layer in network.reg_layers)
        self.norm = copy.deepcopy(network.norm)
        for name in HEADS:
            setattr(self, name, _plain(getattr(network.heads, name)))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct padded events: `x` [B, M, 12], `mask` [B, M]."""
        inputs = torch.cat([functional.one_hot(x[..., 0].long(), N_TYPES).to(x.dtype), x[..., 1:]], dim=2)
        for_id = self.norm(torch.cat([inputs, *_outputs(self.id_layers, inputs, mask)], dim=2))
        for_reg = torch.cat([inputs, *_outputs(self.reg_layers, inputs, mask)], dim=2)
        logits = self.class_head(for_id)
        told = torch.cat([for_id, logits.detach()], dim=2)
        all_told = torch.cat([told, for_reg], dim=2)
        return torch.cat(
            [
                logits,
                self.charge_head(for_id),
                torch.abs(self.pt_head(all_told)),
                x[..., ETA : ETA + 1] + self.eta_head(told),
                x[..., SIN_PHI : SIN_PHI + 2] + self.phi_head(told),
                torch.abs(x[..., ENERGY : ENERGY + 1] + self.energy_head(all_told)),
            ],
            dim=2,
        )


def padded_loss(output: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the loss of padded events: each term over what counts in it, as `mlpf_hpo.mlpf.loss` has it."""
    n_classes = output.shape[2] - len(WEIGHTS) + 1
    pid = y[..., 0].long()
    has_target = (pid > 0).to(output.dtype)
    each = functional.cross_entropy(output[..., :n_classes].transpose(1, 2), pid, reduction="none")
    total = (each * mask).sum() / mask.sum().clamp(min=1)
    for column, name in enumerate(list(WEIGHTS)[1:], start=n_classes):
        predicted, true = output[..., column], y[..., TARGETS.index(name)]
        if name == "charge":
            each = (predicted - true) ** 2
        else:
            each = functional.huber_loss(predicted, true, reduction="none", delta=HUBER_DELTA[name])
        total = total + WEIGHTS[name] * (each * has_target).sum() / has_target.sum().clamp(min=1)
    return total


def pad(values: Sequence[Tensor], slots: int) -> Tensor:
    """Return events [N_i, D] as one tensor [B, slots, D], zeros where there is nothing."""
    return torch.stack([functional.pad(event, (0, 0, 0, slots - len(event))) for event in values])


def slots_for(longest: int, bin_size: int) -> int:
    """Return the padded size of a batch: the longest event's, in whole bins."""
    return -(-longest // bin_size) * bin_size


def _plain(head: Head) -> nn.Sequential:
    """Return a head with the same weights and PyTorch's own dropout."""
    return nn.Sequential(
        *(nn.Dropout(module.p) if isinstance(module, Dropout) else copy.deepcopy(module) for module in head)
    )


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """Return a linear map with a copy of these weights."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    linear.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().clone())
    return linear


def _outputs(layers: nn.ModuleList, x: Tensor, mask: Tensor) -> list[Tensor]:
    found = []
    for layer in layers:
        x = layer(x, mask)
        found.append(x)
    return found
