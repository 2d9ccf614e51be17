"""The activation is PyTorch's, value and gradient, wherever it is computed differently."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mlpf_hpo.mlpf.activation import elu


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-15), (torch.float32, 2e-7)])
def test_values_and_gradients_are_those_of_pytorch(dtype: torch.dtype, tolerance: float) -> None:
    near = torch.logspace(-12, 0, 50, dtype=dtype)
    far = torch.tensor([0.0, 5.0, 80.0, 1e30, float("inf")], dtype=dtype)
    x = torch.cat([near, far, -near, -far]).requires_grad_()
    weights = torch.linspace(0.5, 2.0, len(x), dtype=dtype)
    found, expected = elu(x), functional.elu(x)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    (one,) = torch.autograd.grad((found[found.isfinite()] * weights[found.isfinite()]).sum(), x)
    (other,) = torch.autograd.grad((expected[expected.isfinite()] * weights[expected.isfinite()]).sum(), x)
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_what_is_not_a_number_stays_none() -> None:
    assert torch.isnan(elu(torch.tensor([float("nan")]))).all()


def test_the_derivative_is_that_of_the_function() -> None:
    x = torch.linspace(-3, 3, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(elu, x)


def test_the_input_stays_as_it_was() -> None:
    x = torch.linspace(-1, 1, 5)
    before = x.clone()
    elu(x)
    assert torch.equal(x, before)
