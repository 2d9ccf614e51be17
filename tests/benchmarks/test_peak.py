"""The peak of a step's memory. The process that measures it imports this file: it stays small."""

from __future__ import annotations

import pytest
import torch

from benchmarks.clock import Step
from benchmarks.peak import peak_of


def doubling(megabytes: int) -> Step:
    """Return a step that holds twice what it needs to be ready."""
    ready = torch.ones(megabytes * 250_000)

    def step() -> None:
        (ready + 1).add_(1)

    return step


def test_the_peak_of_a_step_is_what_it_adds() -> None:
    torch.ones(200_000_000)  # the getrusage(2) of a spawned process begins with the peak of who spawned it
    assert peak_of(doubling, 200) == pytest.approx(200e6, rel=0.05)
