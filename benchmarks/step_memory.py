"""Memory that a training step takes at its peak, per element: ragged, and in the published way."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.cases import LONGEST, batch_of, mixed_sizes, padded_step, paper_module, ragged_step
from benchmarks.clock import Step
from benchmarks.peak import peak_of

FEW, MANY = 1, 13
"""Events; 13 of mixed size have 61,100 elements."""


def step_memory(quick: bool) -> dict[str, float]:
    """Compare the peaks of a step on the same events, and of a step on many events with one on few."""
    few, many = (FEW, 2 * FEW) if quick else (4 * FEW, MANY)
    ragged, padded = bytes_per_element(ragged_paper, few), bytes_per_element(padded_paper, few)
    return {
        "memory_ratio": ragged / padded,
        "memory.kilobytes_per_element": ragged / 1e3,
        "memory.kilobytes_per_element_padded_6400": padded / 1e3,
        "memory.growth_with_elements": bytes_per_element(ragged_paper, many) / ragged,
    }


def ragged_paper(n_events: int) -> Step:
    """Return a step at the paper's widths."""
    return ragged_step(paper_module(), batch_of(mixed_sizes(n_events)))


def padded_paper(n_events: int) -> Step:
    """Return the same step with every event padded to 6,400 slots."""
    return padded_step(paper_module().network, batch_of(mixed_sizes(n_events)), LONGEST)


def bytes_per_element(made: Callable[[int], Step], n_events: int) -> float:
    """Return the peak of a step on so many events of mixed size, over their elements."""
    return peak_of(made, n_events) / sum(mixed_sizes(n_events))
