"""Dropout by raw random words: the distribution that PyTorch's layer has, from the generator that it uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlpf_hpo.mlpf.dropout import Dropout


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


@pytest.mark.parametrize("p", [0.0001, 0.05, 0.25, 0.5, 0.9])
def test_elements_are_dropped_as_often_as_asked(p: float) -> None:
    out = Dropout(p)(torch.ones(700, 301))
    dropped = int((out == 0).sum())
    assert stats.binomtest(dropped, out.numel(), p).pvalue > 1e-4
    assert out.mean() == pytest.approx(1.0, abs=6 * (p / (1 - p) / out.numel()) ** 0.5)
    kept = out[out != 0]
    assert torch.equal(kept, kept[:1].expand_as(kept))
    assert float(kept[0]) == pytest.approx(1 / (1 - p), rel=1 / 65536 / (1 - p))


def test_elements_are_dropped_independently() -> None:
    """Lanes of one word, and neighbours of any distance up to a row, are independent."""
    dropped = (Dropout(0.3)(torch.ones(400_000)) == 0).numpy().astype(float)
    centred = dropped - dropped.mean()
    for lag in (1, 2, 3, 4, 5, 8, 64, 256):
        correlation = float(np.corrcoef(centred[:-lag], centred[lag:])[0, 1])
        assert abs(correlation) < 5 / 400_000**0.5, lag
    for lane in range(4):
        assert stats.binomtest(int(dropped[lane::4].sum()), 100_000, 0.3).pvalue > 1e-4


@given(
    shape=st.lists(st.integers(0, 7), min_size=1, max_size=3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_shape(shape: list[int], dtype: torch.dtype) -> None:
    out = Dropout(0.5)(torch.ones(shape, dtype=dtype))
    assert (out.shape, out.dtype) == (torch.Size(shape), dtype)
    assert set(out.flatten().tolist()) <= {0.0, 2.0}


def test_the_gradient_goes_where_the_output_came_from() -> None:
    x = torch.randn(50, 20, dtype=torch.float64, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_a_seed_gives_a_mask() -> None:
    layer, x = Dropout(0.5), torch.ones(9, 9)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(layer(x))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_nothing_is_dropped_outside_training_or_at_zero() -> None:
    x = torch.randn(5, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_probabilities_that_are_none(p: float) -> None:
    with pytest.raises(ValueError, match="dropout probability"):
        Dropout(p)
