"""The gate is what PyTorch's own functions make of its formula, and so are its gradients."""

from __future__ import annotations

import torch

from mlpf_hpo.mlpf.layers import gated


def test_values_and_gradients_are_those_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    values = [4 * torch.randn(50, 7, generator=generator, dtype=torch.float64) for _ in range(4)]
    *inputs, weights = values
    for x in inputs:
        x.requires_grad_()
    heterogeneous, homogeneous, gate = inputs
    g = 1 / (1 + torch.exp(-gate))
    plain = g * homogeneous + (1 - g) * heterogeneous
    ours = gated(*inputs)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad((plain * weights).sum(), inputs)
    for found, exact in zip(torch.autograd.grad((ours * weights).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


def test_a_wider_matrix_that_the_columns_are_of_is_not_kept() -> None:
    wide = torch.zeros(10, 90, requires_grad=True)
    kept: list[int] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        gated(*(wide * 2).split(30, dim=1))
    assert kept == [10 * 30 * 4] * 2
