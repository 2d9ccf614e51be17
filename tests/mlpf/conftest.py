"""Made-up batches and networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlpf_hpo.mlpf.network import MLPF
from tests.tuning.conftest import make_spec, stores

__all__ = ["make_batch", "make_network", "make_spec", "stores"]

Batch = tuple[Tensor, Tensor, Tensor]
MakeBatch = Callable[..., Batch]
MakeNetwork = Callable[..., MLPF]


@pytest.fixture(scope="session")
def make_batch() -> MakeBatch:
    """Return a maker of (x [N, 12], ptr [B + 1], y [N, 7]) for events of given sizes.

    Elements look like tracks and towers. Events whose index is in `no_target` have none.
    """

    def make(
        sizes: Sequence[int], seed: int = 0, no_target: Sequence[int] = (), dtype: torch.dtype = torch.float64
    ) -> Batch:
        generator = np.random.default_rng([seed, *sizes])
        n = sum(sizes)
        kind = generator.integers(1, 3, n)
        track = kind == 2
        pt, eta = generator.lognormal(0.5, 1.0, n), generator.uniform(-3, 3, n)
        phi, outer = generator.uniform(-np.pi, np.pi, (2, n))
        energy = pt * np.cosh(eta)
        em = generator.random(n) < 0.5
        x = np.column_stack([kind, pt, eta, np.sin(phi), np.cos(phi), energy, np.zeros((n, 6))])
        x[:, 6] = np.where(track, eta, np.where(em, energy, 0))
        x[:, 7] = np.where(track, np.sin(outer), np.where(em, 0, energy))
        x[:, 8] = np.where(track, np.cos(outer), 0)
        x[:, 9] = np.where(track, generator.choice([-1, 1], n), 0)
        x[:, 10] = track & (generator.random(n) < 0.1)
        pid = generator.integers(0, 6, n)
        pid[np.isin(np.repeat(np.arange(len(sizes)), sizes), no_target)] = 0
        charge = np.where(np.isin(pid, [1, 4, 5]), generator.choice([-1, 1], n), 0)
        near = np.exp(0.1 * generator.normal(size=n))
        angle = phi + 0.05 * generator.normal(size=n)
        y = np.column_stack(
            [pid, charge, pt * near, eta + 0.05, np.sin(angle), np.cos(angle), energy * near**2]
        )
        y[pid == 0] = 0
        ptr = torch.tensor(np.cumsum([0, *sizes]))
        return torch.tensor(x, dtype=dtype), ptr, torch.tensor(y, dtype=dtype)

    return make


@pytest.fixture(scope="session")
def make_network() -> MakeNetwork:
    """Return a maker of small networks with reproducible weights, float64 and in training mode."""

    def make(
        n_id: int = 1,
        n_reg: int = 1,
        bin_size: int = 8,
        output_dim: int = 8,
        dropout: float = 0.0,
        hash_columns: int = 64,
        dtype: torch.dtype = torch.float64,
        seed: int = 1,
        whole_vectors: bool = False,
    ) -> MLPF:
        """Return a network; its inner widths are no multiples of anything, or all `whole_vectors`."""
        inner: dict[str, Any] = {
            "embedding_dim": 16 if whole_vectors else 6,
            "class_head": (24, 16) if whole_vectors else (8, 6),
            "charge_head": (16,) if whole_vectors else (5,),
            "regression_head": (16, 32) if whole_vectors else (7, 4),
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = MLPF(
                n_glayers_id=n_id,
                n_glayers_reg=n_reg,
                dropout=dropout,
                bin_size=bin_size,
                output_dim=output_dim,
                hash_columns=hash_columns,
                **inner,
            )
            # Biases that start at zero or scales that start at one would hide what is missing.
            for name, parameter in network.named_parameters():
                if name.endswith("gate_bias") or name.startswith("norm"):
                    torch.nn.init.normal_(parameter)
        return network.to(dtype)

    return make
