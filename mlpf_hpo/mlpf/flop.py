"""Floating-point operations of MLPF: of the function, on the elements that are there.

What counts is the network as its layers and heads are written down: every dense map and every product within
bins, 2 operations per multiply-add. Padding that an implementation adds does not count, and work that it
saves does: so fractions of a machine's peak compare implementations of the same function. Element-wise work
is not counted: it is no part of a GEMM peak either. PyTorch's counter beside it:
docs/decisions/0020-operations-of-the-function.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from mlpf_hpo.array_types import IntArray
from mlpf_hpo.mlpf.heads import Head
from mlpf_hpo.mlpf.layers import GraphLayer
from mlpf_hpo.mlpf.network import MLPF

PRODUCTS = 3
"""Products of one size that a map y = x W takes in training: y, dW = x^T dy, and dx = dy W^T."""


def inference_flop(network: MLPF, element_counts: ArrayLike) -> float:
    """Return the operations of reconstructing events with so many elements each."""
    return _flop(network, np.asarray(element_counts, dtype=np.int64), backward=False)


def training_flop(network: MLPF, element_counts: ArrayLike) -> float:
    """Return the operations of a training step, forward and backward, on events with so many elements each.

    The raw inputs need no gradient, the hash codes have none, and the optimiser's work is element-wise.
    """
    return _flop(network, np.asarray(element_counts, dtype=np.int64), backward=True)


def _flop(network: MLPF, sizes: IntArray, backward: bool) -> float:
    size = network.bin_size
    pairs = (sizes // size) * size**2 + (sizes % size) ** 2
    bins = -(-sizes // size)
    hyperplanes = np.where(bins > 1, np.maximum(bins // 2, 1), 0)
    products = PRODUCTS if backward else 1
    dense = 0
    for inputs, outputs, raw in _dense_maps(network):
        dense += inputs * outputs * (products - 1 if backward and raw else products)
    multiply_adds = float(dense * sizes.sum())
    for layer in _layers(network):
        embedding, width = layer.embed_out.out_features, len(layer.gate_bias)
        multiply_adds += float(products * (embedding + width) * pairs.sum())
        multiply_adds += float(embedding * (hyperplanes * sizes).sum())
    return 2 * multiply_adds


def _layers(network: MLPF) -> list[GraphLayer]:
    stacks = (network.id_layers, network.reg_layers)
    return [layer for stack in stacks for layer in stack if isinstance(layer, GraphLayer)]


def _dense_maps(network: MLPF) -> Iterator[tuple[int, int, bool]]:
    """Yield widths of each map that acts on single elements, and whether it reads the raw inputs."""
    first = [stack[0] for stack in (network.id_layers, network.reg_layers) if len(stack)]
    for layer in _layers(network):
        for linear in (layer.embed_in, layer.message, layer.embed_out):
            yield linear.in_features, linear.out_features, layer in first and linear is not layer.embed_out
    for head in network.heads.children():
        if isinstance(head, Head):
            for linear in head.linear_layers:
                yield linear.in_features, linear.out_features, False
