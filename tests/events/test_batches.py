"""Which events make a batch: all of them once, within the budget, equal work for all ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import SequentialSampler
from torch_geometric.data import Batch

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.batches import ElementBatches, EpochSampler, EventBatches, joined
from mlpf_hpo.events.datamodule import EventDataset
from mlpf_hpo.events.store import write_store


@given(n=st.integers(1, 60), seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 500))
def test_an_epoch_s_order_is_a_permutation_that_seed_and_epoch_decide(n: int, seed: int, epoch: int) -> None:
    sampler, other = EpochSampler(n, seed), EpochSampler(n, seed)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(n))
    assert list(sampler) == order
    for earlier in range(3):  # what was drawn before does not matter
        other.set_epoch(earlier)
        list(other)
    torch.rand(1)
    np.random.rand()  # noqa: NPY002
    other.set_epoch(epoch)
    assert list(other) == order
    assert len(sampler) == n


def test_orders_of_epochs_and_seeds_differ() -> None:
    orders = set()
    for seed in range(3):
        sampler = EpochSampler(30, seed)
        for epoch in range(5):
            sampler.set_epoch(epoch)
            orders.add(tuple(sampler))
    assert len(orders) == 15


def batches_of(
    counts: list[int], budget: int, seed: int = 0, epoch: int = 0, n_ranks: int = 1
) -> list[ElementBatches]:
    """Return the batches of every rank."""
    made = []
    for rank in range(n_ranks):
        sampler = EpochSampler(len(counts), seed)
        sampler.set_epoch(epoch)
        made.append(ElementBatches(sampler, np.array(counts), budget, rank, n_ranks))
    return made


COUNTS = st.lists(st.integers(0, 50) | st.integers(40, 50), min_size=1, max_size=60)


@given(counts=COUNTS, budget=st.integers(1, 400), seed=st.integers(0, 99), n_ranks=st.integers(1, 4))
def test_every_event_once_within_the_budget_and_as_many_batches_for_all(
    counts: list[int], budget: int, seed: int, n_ranks: int
) -> None:
    try:
        ranks = batches_of(counts, budget, seed, n_ranks=n_ranks)
    except ConfigurationError:
        # Refused only where the budget is below an event, or the events cannot be shared out one by one.
        assert budget < max(1, *counts) or len(counts) % n_ranks
        return
    for epoch in range(3):
        for rank in ranks:
            rank.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        batches = [list(rank) for rank in ranks]
        assert {len(of_rank) for of_rank in batches} == {len(rank) for rank in ranks}
        everything = [batch for of_rank in batches for batch in of_rank]
        assert sorted(event for batch in everything for event in batch) == list(range(len(counts)))
        assert all(batch and sum(counts[event] for event in batch) <= budget for batch in everything)


@given(counts=COUNTS, n_events=st.integers(1, 20), seed=st.integers(0, 99), n_ranks=st.integers(1, 5))
def test_batches_of_events_are_the_same_for_any_number_of_ranks(
    counts: list[int], n_events: int, seed: int, n_ranks: int
) -> None:
    order = list(EpochSampler(len(counts), seed))
    ranks = [
        EventBatches(EpochSampler(len(counts), seed), np.array(counts), n_events, rank, n_ranks)
        for rank in range(n_ranks)
    ]
    steps = list(zip(*ranks, strict=True))
    assert {len(rank) for rank in ranks} == {len(steps)}
    for number, shares in enumerate(steps):
        batch = order[number * n_events : (number + 1) * n_events]
        assert sorted(event for share in shares for event in share) == sorted(batch)
        assert all(share == [event for event in batch if event in share] for share in shares)
        loads = [sum(counts[event] for event in share) for share in shares]
        # Dealt one by one to the rank with least: no two differ by more than the largest event.
        assert max(loads) - min(loads) <= max(counts[event] for event in batch)
    assert sum(len(share) for shares in steps for share in shares) == len(counts)


def sizes(n: int, mean: float, width: float) -> list[int]:
    return np.random.default_rng(5).normal(mean, width, n).astype(int).clip(20).tolist()


@pytest.mark.parametrize(
    ("counts", "budget"), [(sizes(2000, 120, 60), 2000), (sizes(400, 5000, 500), 48_000)]
)
def test_ranks_work_alike_and_the_budget_is_used(counts: list[int], budget: int) -> None:
    steps = zip(*(list(rank) for rank in batches_of(counts, budget, n_ranks=2)), strict=True)
    loads = np.array([[sum(counts[event] for event in batch) for batch in step] for step in steps])
    # The ranks of a step wait for the slowest: the rest is time lost.
    assert loads.mean() / loads.max(axis=1).mean() > 0.97
    assert loads.mean() > 0.95 * (budget - max(counts))


def test_batches_differ_between_epochs_and_seeds_and_follow_from_them() -> None:
    counts = sizes(200, 120, 40)
    seen = set()
    for seed in range(2):
        for epoch in range(3):
            first, again = (list(batches_of(counts, 1500, seed, epoch)[0]) for _ in range(2))
            assert first == again
            seen.update(tuple(sorted(batch)) for batch in first)
    n_batches = len(batches_of(counts, 1500)[0])
    assert len(seen) == 6 * n_batches  # no batch came twice


def test_a_fixed_order_gives_fixed_batches() -> None:
    counts = np.array(sizes(50, 120, 40))
    one, other = (list(ElementBatches(SequentialSampler(counts), counts, 900)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("counts", "budget", "n_ranks", "message"),
    [
        ([5, 9, 3], 8, 1, r"batch_elements: 8 .* up to 9 and 1 rank.* at least 9 "),
        ([5, 5, 5], 8, 2, r"8 elements are too few .* 2 rank.* at least 10 "),
        ([5], 8, 2, "1 events for 2 ranks"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(
    counts: list[int], budget: int, n_ranks: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        batches_of(counts, budget, n_ranks=n_ranks)


@given(counts=COUNTS, n_ranks=st.integers(1, 4))
def test_the_budget_that_is_told_to_be_enough_is(counts: list[int], n_ranks: int) -> None:
    assume(len(counts) >= n_ranks)
    with pytest.raises(ConfigurationError) as refused:
        batches_of([*counts, 60], 1, n_ranks=n_ranks)
    enough = int(str(refused.value).split("at least ")[1].split()[0])
    assert all(len(rank) for rank in batches_of([*counts, 60], enough, n_ranks=n_ranks))


def test_joined_events_are_what_pyg_would_make(make_event, tmp_path) -> None:
    store = write_store(tmp_path / "store", [make_event(n, i) for i, n in enumerate((4, 0, 1, 3))], {})
    dataset = EventDataset(store)
    ours = joined([store[i] for i in range(4)])
    theirs = Batch.from_data_list([dataset[i] for i in range(4)])
    assert (ours.num_graphs, ours.num_nodes) == (theirs.num_graphs, theirs.num_nodes) == (4, 8)
    for name in ("x", "y", "batch", "ptr"):
        assert torch.equal(ours[name], theirs[name])
        assert ours[name].dtype == theirs[name].dtype
    moved = ours.to("cpu")
    assert moved.num_graphs == 4
    nothing = joined([])
    assert (nothing.num_graphs, nothing.num_nodes) == (0, 0)
    assert (nothing.x.shape, nothing.y.shape, nothing.ptr.tolist()) == ((0, 12), (0, 7), [0])
    assert all(nothing[name].dtype == ours[name].dtype for name in ("x", "y", "batch", "ptr"))
