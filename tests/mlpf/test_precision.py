"""Mixed precision gives nearly the numbers of single precision: what layers and heads multiply is rounded."""

from __future__ import annotations

import pytest
import torch

from mlpf_hpo.mlpf import layers
from mlpf_hpo.mlpf.layers import neighbourhood
from mlpf_hpo.mlpf.loss import LossTerms, mlpf_loss
from mlpf_hpo.mlpf.network import MLPF

# Loss terms and gradients, each relative to single precision.
TOLERANCES = {torch.bfloat16: (0.01, 0.1), torch.float16: (0.005, 0.05)}


def rounded(dtype: torch.dtype) -> torch.autocast:
    return torch.autocast("cpu", dtype=dtype)


def gradient(network: MLPF, terms: LossTerms) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(terms.total, list(network.parameters()))])


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("n_layers", [0, 2])
def test_loss_and_gradient_are_near_those_of_single_precision(
    make_batch, make_network, dtype, n_layers
) -> None:
    network = make_network(n_layers, n_layers, output_dim=32, dtype=torch.float32)
    x, ptr, y = make_batch([600, 1, 37, 250], dtype=torch.float32)
    single = mlpf_loss(network(x, ptr), y)
    with rounded(dtype):
        mixed = mlpf_loss(network(x, ptr), y)
    of_terms, of_gradient = TOLERANCES[dtype]
    torch.testing.assert_close(mixed.means, single.means, rtol=of_terms, atol=0)
    expected = gradient(network, single)
    assert float((gradient(network, mixed) - expected).norm() / expected.norm()) < of_gradient
    assert not torch.equal(mixed.sums, single.sums)  # something was rounded


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_sums_and_predictions_are_of_single_precision(make_batch, make_network, dtype) -> None:
    network = make_network(dtype=torch.float32)
    x, ptr, y = make_batch([40, 9], dtype=torch.float32)
    with rounded(dtype):
        predictions = network(x, ptr)
        inside = mlpf_loss(predictions, y)
        total = inside.total
    assert {values.dtype for values in (*predictions, inside.sums, total)} == {torch.float32}
    outside = mlpf_loss(predictions, y)
    assert torch.equal(inside.sums, outside.sums)
    assert torch.equal(total, outside.total)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_elements_far_from_the_origin_keep_their_distances(
    make_batch, make_network, dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A squared distance is the difference of two large numbers, which half precision would swallow."""
    network = make_network(1, 0, dtype=torch.float32)
    torch.nn.init.constant_(network.id_layers[0].embed_out.bias, 10.0)
    seen = []

    def recorded(embedding: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        kernel = neighbourhood(embedding, mask)
        seen.append((kernel, neighbourhood(embedding.double(), mask)))
        return kernel

    monkeypatch.setattr(layers, "neighbourhood", recorded)
    x, ptr, _ = make_batch([40], dtype=torch.float32)
    with rounded(dtype):
        network(x, ptr)
    ((kernel, exact),) = seen
    torch.testing.assert_close(kernel.double(), exact, rtol=0, atol=0.01)
