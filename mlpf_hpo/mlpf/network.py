"""MLPF: two stacks of graph layers, and heads that turn elements into particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.events.schema import N_FEATURES, TRACK_FEATURES
from mlpf_hpo.mlpf.binning import EventSizes, Sizes
from mlpf_hpo.mlpf.heads import HeadOutputs, Heads, aligned
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.native.choice import Native
from mlpf_hpo.mlpf.native.step import native_outputs
from mlpf_hpo.mlpf.precision import at_least_single
from mlpf_hpo.space import Configuration

N_TYPES = 3
"""Padding, tower, track."""

N_INPUTS = N_TYPES + N_FEATURES - 1
"""One-hot type and the other feature columns."""

ETA, SIN_PHI, COS_PHI = (TRACK_FEATURES.index(name) for name in ("eta", "sin_phi", "cos_phi"))
ENERGY = 5
"""Column of a tower's energy and of a track's momentum."""


class Predictions(NamedTuple):
    """What MLPF says of each of N elements.

    Attributes
    ----------
    logits : tensor [N, 6]
        Scores of the classes.
    charge, pt, eta, sin_phi, cos_phi, energy : tensor [N]
        Properties of the particle, GeV where they have a unit.
    """

    logits: Tensor
    charge: Tensor
    pt: Tensor
    eta: Tensor
    sin_phi: Tensor
    cos_phi: Tensor
    energy: Tensor


class MLPF(nn.Module):
    """Machine-learned particle flow (Pata et al., EPJC 81 381), on ragged batches.

    Parameters
    ----------
    n_glayers_id, n_glayers_reg : int
        Graph layers of the two stacks; 0 is legal.
    dropout : float
        p acts as p/2 in the graph layers and as p in the heads.
    bin_size, output_dim : int
        Slots in a bin, and width of the graph layers.
    embedding_dim, hash_columns : int
        Width of the embedding, and random directions at hand for hashing.
    class_head, charge_head, regression_head : sequence of int
        Hidden widths of the heads.

    Examples
    --------
    >>> import torch
    >>> from mlpf_hpo import MLPF
    >>> heads = {"class_head": (8,), "charge_head": (8,), "regression_head": (8,)}
    >>> network = MLPF(1, 1, 0.1, bin_size=8, output_dim=8, embedding_dim=8, hash_columns=16, **heads)
    >>> elements = torch.rand(5, 12)  # two events, of two and three elements
    >>> network.eval()(elements, torch.tensor([0, 2, 5])).logits.shape
    torch.Size([5, 6])
    """

    def __init__(
        self,
        n_glayers_id: int,
        n_glayers_reg: int,
        dropout: float,
        bin_size: int,
        output_dim: int,
        embedding_dim: int,
        hash_columns: int,
        class_head: Sequence[int],
        charge_head: Sequence[int],
        regression_head: Sequence[int],
    ) -> None:
        super().__init__()
        self.bin_size = bin_size

        def stack(n_layers: int) -> nn.ModuleList:
            widths = [N_INPUTS] + [output_dim] * n_layers
            return nn.ModuleList(
                GraphLayer(width, output_dim, embedding_dim, hash_columns, dropout / 2)
                for width in widths[:n_layers]
            )

        self.id_layers, self.reg_layers = stack(n_glayers_id), stack(n_glayers_reg)
        id_dim = N_INPUTS + n_glayers_id * output_dim
        reg_dim = N_INPUTS + n_glayers_reg * output_dim
        self.norm = nn.LayerNorm(id_dim)
        self.heads = Heads(id_dim, reg_dim, class_head, charge_head, regression_head, dropout)

    @staticmethod
    def configured(configuration: Configuration, network: NetworkParams) -> MLPF:
        """Return the network of a point of the search space."""
        return MLPF(
            n_glayers_id=int(configuration["n_glayers_id"]),
            n_glayers_reg=int(configuration["n_glayers_reg"]),
            dropout=float(configuration["dropout"]),
            bin_size=int(configuration["bin_size"]),
            output_dim=int(configuration["output_dim"]),
            embedding_dim=network.embedding_dim,
            hash_columns=network.hash_columns,
            class_head=network.class_head,
            charge_head=network.charge_head,
            regression_head=network.regression_head,
        )

    def forward(self, x: Tensor, ptr: Tensor) -> Predictions:
        """Reconstruct the events of a batch.

        Parameters
        ----------
        x : tensor [N, 12]
            Features of the elements of all events, one event after the other.
        ptr : tensor [B + 1], int64
            Where events begin and end.
        """
        native = None if self.training or torch.is_grad_enabled() else Native.of(self, x)
        if native is not None:
            return as_particles(x, native_outputs(native, self, x, ptr))
        return self.particles(x, *self.head_inputs(x, ptr))

    def head_inputs(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the heads see of the batch: the graph layers' part of the work."""
        return self.stacked(x, EventSizes.of(ptr, self.bin_size))

    def stacked(self, x: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
        """Return what the heads see of elements x [N, 12], of events of these sizes."""
        inputs = encode(x)
        normed = self.norm(torch.cat([inputs, *run(self.id_layers, inputs, sizes)], dim=1))
        id_input = _side_by_side([normed])
        return id_input, _side_by_side([inputs, *run(self.reg_layers, inputs, sizes)])

    def particles(self, x: Tensor, id_input: Tensor, reg_input: Tensor) -> Predictions:
        """Return what the heads say of elements x [N, 12], each by itself."""
        return as_particles(x, HeadOutputs(*map(at_least_single, self.heads(id_input, reg_input))))


def as_particles(x: Tensor, found: HeadOutputs) -> Predictions:
    """Return particles by what the heads say of elements x [N, 12], which is added to what was measured."""
    return Predictions(
        logits=found.logits,
        charge=found.charge,
        pt=found.pt.abs(),
        eta=x[:, ETA] + found.eta,
        sin_phi=x[:, SIN_PHI] + found.phi[:, 0],
        cos_phi=x[:, COS_PHI] + found.phi[:, 1],
        energy=(x[:, ENERGY] + found.energy).abs(),
    )


def encode(x: Tensor) -> Tensor:
    """Return the 14 inputs [N, 14]: one-hot type, then the other columns, unscaled."""
    types = functional.one_hot(x[:, 0].long(), N_TYPES).to(x.dtype)
    return torch.cat([types, x[:, 1:]], dim=1)


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Return the columns of all parts, and zeros up to an aligned width."""
    width = sum(part.shape[1] for part in parts)
    return torch.cat([*parts, parts[0].new_zeros(parts[0].shape[0], aligned(width) - width)], dim=1)


def run(layers: nn.ModuleList, x: Tensor, sizes: Sizes) -> list[Tensor]:
    """Return the outputs of all layers of a stack."""
    outputs = []
    for layer in layers:
        x = layer(x, sizes)
        outputs.append(x)
    return outputs
