"""For which networks there are kernels, and what of these they take."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from mlpf_hpo.mlpf.native import kernels as native_kernels
from mlpf_hpo.mlpf.native.build import BASELINE
from mlpf_hpo.mlpf.native.choice import Native

pytestmark = pytest.mark.skipif(native_kernels._load(BASELINE) is None, reason="no C compiler here")


def test_what_the_kernels_are_not_for_goes_without(make_batch, make_network) -> None:
    network, (x, _, _) = make_network(dtype=torch.float32, dropout=0.1), make_batch([9], dtype=torch.float32)
    assert Native.of(network, x) is not None
    assert Native.of(deepcopy(network).double(), x.double()) is None
    assert Native.of(network, x.T.contiguous().T) is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Native.of(network, x) is None
    hooked = deepcopy(network)
    hooked.heads.eta_head[0].register_forward_hook(lambda *_: None)
    assert Native.of(hooked, x) is None
    apart = deepcopy(network)
    apart.heads.eta_head[2].p = 0.2
    assert Native.of(apart, x) is None


def test_a_network_of_other_shapes_goes_without(make_batch, make_network) -> None:
    """Its weights would be read beyond their ends."""
    network, (x, _, _) = make_network(dtype=torch.float32), make_batch([9], dtype=torch.float32)
    narrow, longer, apart = (deepcopy(network) for _ in range(3))
    narrow.id_layers[0].message = torch.nn.Linear(14, 23, bias=False)
    longer.heads.charge_head.append(torch.nn.Linear(1, 1))
    apart.heads.eta_head[0] = torch.nn.Linear(28, 9)
    apart.heads.eta_head[3] = torch.nn.Linear(9, 4)
    directions = deepcopy(network)
    directions.reg_layers[0].hyperplanes = torch.zeros(5, 64)
    for other in (narrow, longer, apart, directions):
        assert Native.of(other, x) is None


def test_parameters_are_the_networks_own_in_order(make_network) -> None:
    network = make_network(2, 1, dtype=torch.float32)
    native = Native.of(network, torch.zeros(0, 12))
    assert native is not None
    assert [id(one) for one in native.parameters] == [id(one) for one in network.parameters()]
    assert native.layout.sizes == [one.numel() for one in network.parameters()]


def test_a_pytorch_that_hides_its_matrix_product_goes_without(make_network, monkeypatch) -> None:
    monkeypatch.setattr(native_kernels, "matrix_product", lambda: None)
    assert Native.of(make_network(dtype=torch.float32), torch.zeros(0, 12)) is None
    assert native_kernels.kernels_in_use() == "none: PyTorch shows no sgemm"
