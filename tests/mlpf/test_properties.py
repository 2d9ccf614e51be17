"""What must hold whatever the weights: events do not see each other, bins hold neighbours."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlpf_hpo.errors import DataError
from mlpf_hpo.mlpf.binning import Bins, EventSizes, assign_bins
from mlpf_hpo.mlpf.dropout import Dropout
from mlpf_hpo.mlpf.layers import neighbourhood
from mlpf_hpo.mlpf.loss import mlpf_loss
from mlpf_hpo.mlpf.network import Predictions
from mlpf_hpo.mlpf.physics import physics_counts
from mlpf_hpo.space import TABLE_1

BIN_SIZES = TABLE_1.domains["bin_size"].values
SIZES = [1, 30, 8, 17, 64, 3]


def boundaries(sizes: list[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def rows_of(ptr: Tensor, events: list[int]) -> Tensor:
    return torch.cat([torch.arange(int(ptr[i]), int(ptr[i + 1])) for i in events])


def close(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def chosen(predictions: Predictions, rows: Tensor) -> list[Tensor]:
    return [value[rows] for value in predictions]


@pytest.fixture
def batch(make_batch):
    return make_batch(SIZES, no_target=[2])


@pytest.fixture
def network(make_network):
    return make_network(2, 2)


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
def test_the_order_of_events_changes_nothing(batch, network, order: list[int]) -> None:
    x, ptr, y = batch
    rows = rows_of(ptr, order)
    predictions = network(x, ptr)
    moved = network(x[rows], boundaries([SIZES[i] for i in order]))
    close(list(moved), chosen(predictions, rows))
    one, other = mlpf_loss(predictions, y), mlpf_loss(moved, y[rows])
    close((one.sums, one.counts, one.total), (other.sums, other.counts, other.total))


@pytest.mark.parametrize(
    "parts", [[[0], [1], [2], [3], [4], [5]], [[0, 1, 2], [3, 4, 5]], [[0, 1, 2, 3, 4], [5]]]
)
def test_sums_and_counts_of_parts_add_up(batch, network, parts: list[list[int]]) -> None:
    x, ptr, y = batch
    predictions = network(x, ptr)
    losses, counts = [], []
    for events in parts:
        rows = rows_of(ptr, events)
        part = network(x[rows], boundaries([SIZES[i] for i in events]))
        close(list(part), chosen(predictions, rows))
        losses.append(mlpf_loss(part, y[rows]))
        counts.append(physics_counts(part, y[rows]))
    whole, together = mlpf_loss(predictions, y), losses[0]
    physics, physics_together = physics_counts(predictions, y), counts[0]
    for more, more_counts in zip(losses[1:], counts[1:], strict=True):
        together, physics_together = together + more, physics_together + more_counts
    close((together.sums, together.counts), (whole.sums, whole.counts))
    close(together.total, whole.total)
    assert physics_together.metrics() == pytest.approx(physics.metrics(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("others", [[1], [9], [200], [8, 500, 8]])
def test_other_events_change_nothing(make_batch, network, others: list[int]) -> None:
    """Whether smaller, or of many more bins and so of more hyperplanes."""
    x, ptr, _ = make_batch([37])
    more, _, _ = make_batch(others, seed=7)
    alone = network(x, ptr)
    before = network(torch.cat([x, more]), boundaries([37, *others]))
    after = network(torch.cat([more, x]), boundaries([*others, 37]))
    close(chosen(before, torch.arange(37)), list(alone))
    close(chosen(after, torch.arange(len(more), len(more) + 37)), list(alone))


def test_no_gradient_leaves_its_event(make_batch, network) -> None:
    x, ptr, _ = make_batch([20, 30])
    x.requires_grad_()
    network(x, ptr).energy[:20].sum().backward()
    assert x.grad[:20].abs().sum() > 0
    assert not x.grad[20:].any()


def check_bins(bins: Bins, sizes: list[int], bin_size: int) -> None:
    n = sum(sizes)
    assert len(bins.mask) == sum(-(-size // bin_size) for size in sizes)
    assert sorted(bins.element[bins.mask.flatten()].tolist()) == list(range(n))
    assert bins.element[bins.slot].tolist() == list(range(n))
    assert bins.mask.flatten()[bins.slot].all()
    assert not bins.element[~bins.mask.flatten()].any()
    event = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    for members, real in zip(bins.element.view(bins.mask.shape), bins.mask, strict=True):
        assert len(set(event[members[real]].tolist())) == 1


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 70), min_size=1, max_size=6).filter(any),
    bin_size=st.sampled_from([1, 2, 8, 16, 128]),
    seed=st.integers(0, 999),
    alike=st.booleans(),
)
def test_binning_is_a_permutation_within_events(
    sizes: list[int], bin_size: int, seed: int, alike: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.randn(sum(sizes), 4, generator=generator)
    if alike:
        embedding[:] = embedding[:1].clone()
    hyperplanes = torch.randn(4, 40, generator=generator)
    bins = assign_bins(embedding, hyperplanes, EventSizes.of(boundaries(sizes), bin_size))
    check_bins(bins, sizes, bin_size)
    values = torch.randn(sum(sizes), 3, generator=generator)
    assert torch.equal(bins.scatter(bins.gather(values)), values)


def test_gather_and_scatter_have_the_gradients_of_plain_indexing(make_batch) -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(31, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    hyperplanes = torch.randn(2, 9, generator=generator, dtype=torch.float64)
    bins = assign_bins(values, hyperplanes, EventSizes.of(boundaries([11, 20]), 8))

    def there_and_back(v: Tensor) -> Tensor:
        return bins.scatter(bins.gather(v).square() * bins.mask.unsqueeze(2))

    assert torch.autograd.gradcheck(there_and_back, (values,))


def test_scatter_takes_no_gradient_from_padding() -> None:
    sizes = EventSizes.of(boundaries([11, 3]), 8)
    generator = torch.Generator().manual_seed(4)
    bins = assign_bins(torch.randn(14, 2, generator=generator), torch.randn(2, 5, generator=generator), sizes)
    binned = torch.randn(3, 8, 2, generator=generator, requires_grad=True)
    bins.scatter(binned).sum().backward()
    assert torch.equal(binned.grad, bins.mask.unsqueeze(2).expand(3, 8, 2).float())


@pytest.mark.parametrize("bin_size", BIN_SIZES)
@pytest.mark.parametrize("together", [False, True], ids=["one size", "beside larger events"])
def test_neighbours_share_a_bin_more_often_than_chance(bin_size: int, together: bool) -> None:
    """Twins in the embedding, in an order that says nothing; within a batch, smaller events leave
    hyperplanes unused, which must not lead all of their elements to one code."""
    generator = torch.Generator().manual_seed(bin_size)
    per_size = max(2, 256 // bin_size)
    kinds = [2 * bin_size, 4 * bin_size + 2, 7 * bin_size - 2, 16 * bin_size]
    batches = [[k for k in kinds for _ in range(per_size)]] if together else [[k] * per_size for k in kinds]
    shared: dict[int, list[float]] = {k: [] for k in kinds}
    for sizes in batches:
        halves = []
        for size in sizes:
            place = torch.randn(size // 2, 8, generator=generator)
            near = place + 0.01 * torch.randn(size // 2, 8, generator=generator)
            halves.append(torch.cat([place, near]))
        orders = [torch.randperm(size, generator=generator) for size in sizes]
        embedding = torch.cat([h[order] for h, order in zip(halves, orders, strict=True)])
        hyperplanes = 0.05 * torch.randn(8, 64, generator=generator)
        ptr = boundaries(sizes)
        bins = assign_bins(embedding, hyperplanes, EventSizes.of(ptr, bin_size))
        check_bins(bins, sizes, bin_size)
        number = bins.slot // bin_size
        for size, order, start in zip(sizes, orders, ptr.tolist(), strict=False):
            where = torch.empty(size, dtype=torch.int64)
            where[order] = number[start : start + size]
            shared[size] += (where[: size // 2] == where[size // 2 :]).double().tolist()
    for size, found in shared.items():
        chance = (bin_size - 1) / (size - 1)
        rate = sum(found) / len(found)
        # A third of the way from chance to certainty; the statistical error is well below.
        assert rate > chance + (1 - chance) / 3, (size, rate, chance)


def test_too_few_hash_columns_are_refused(make_batch, make_network) -> None:
    x, ptr, _ = make_batch([5, 200])  # 25 bins of 8: 12 hyperplanes
    make_network(1, 0, 8, hash_columns=12)(x, ptr)
    with pytest.raises(DataError, match=r"200 elements in bins of 8 needs 12 hash columns.* 11; raise it"):
        make_network(1, 0, 8, hash_columns=11)(x, ptr)


def test_few_hash_columns_do_for_one_bin(make_batch, make_network) -> None:
    x, ptr, _ = make_batch([8, 3])
    assert torch.isfinite(make_network(1, 1, 8, hash_columns=1)(x, ptr).logits).all()


def test_dropout_acts_in_training_only(make_batch, make_network) -> None:
    x, ptr, _ = make_batch([20])
    network = make_network(1, 1, dropout=0.4)
    with torch.random.fork_rng(devices=[]):
        training = [network(x, ptr).logits for _ in range(2)]
    assert not torch.equal(*training)
    network.eval()
    evaluation = [network(x, ptr).logits for _ in range(2)]
    assert torch.equal(*evaluation)


def test_dropout_is_halved_in_graph_layers(make_network) -> None:
    network = make_network(2, 1, dropout=0.4)
    found = {name: m.p for name, m in network.named_modules() if isinstance(m, Dropout)}
    assert len(found) == 3 + 2 + 1 + 4 * 2  # graph layers, class, charge, four of the momentum
    for name, p in found.items():
        assert p == pytest.approx(0.2 if "layers" in name else 0.4), name


def test_hyperplanes_are_frozen_and_saved(make_network) -> None:
    network = make_network(1, 1)
    assert not any("hyperplanes" in name for name, _ in network.named_parameters())
    saved = network.state_dict()["id_layers.0.hyperplanes"]
    assert saved.std() == pytest.approx(0.05, rel=0.2)
    assert not torch.equal(saved, network.state_dict()["reg_layers.0.hyperplanes"])


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [8], [9], [40, 1]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["no target", "targets", "all alike", "very hard"])
def test_loss_and_gradients_stay_finite(make_batch, make_network, sizes, dtype, kind: str) -> None:
    x, ptr, y = make_batch(sizes, no_target=range(len(sizes)) if kind == "no target" else (), dtype=dtype)
    if kind == "all alike":
        x[:] = x[:1].clone()
    if kind == "very hard":
        x[:, [1, 5]] *= 1e4
    network = make_network(2, 2, dtype=dtype)
    terms = mlpf_loss(network(x, ptr), y)
    terms.total.backward()
    assert torch.isfinite(terms.total)
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    if kind == "no target":
        assert terms.counts.tolist() == [sum(sizes)] + [0] * 6
        assert not terms.sums[1:].any()


def test_single_precision_is_close_to_double(make_batch, make_network) -> None:
    x, ptr, _ = make_batch([8, 5, 1])
    double, single = make_network(2, 2), make_network(2, 2, dtype=torch.float32)
    for one, other in zip(single(x.float(), ptr), double(x, ptr), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-3)


def test_the_kernel_is_symmetric_and_empty_in_padding() -> None:
    generator = torch.Generator().manual_seed(2)
    embedding = 5 * torch.randn(3, 8, 4, generator=generator, dtype=torch.float64)
    mask = torch.arange(8) < torch.tensor([[8], [5], [1]])
    kernel = neighbourhood(embedding, mask)
    close(kernel, kernel.transpose(1, 2))
    real = mask.unsqueeze(2) & mask.unsqueeze(1)
    assert not kernel[~real].any()
    assert (kernel[real] > 0).all()
    close(kernel.diagonal(dim1=1, dim2=2)[mask], torch.full((14,), -1e-4, dtype=torch.float64).exp())


def test_events_of_one_to_thousands_of_elements_in_one_batch(make_batch, make_network) -> None:
    """Each says the same alone, in every bin size's own number of hash codes."""
    sizes = [1, 6000, 33, 2, 3400, 128]
    x, ptr, y = make_batch(sizes, no_target=[3])
    for bin_size in (8, 128):
        network = make_network(1, 1, bin_size, hash_columns=400)
        with torch.no_grad():
            together = network(x, ptr)
            for event, (size, start) in enumerate(zip(sizes, ptr.tolist(), strict=False)):
                rows = torch.arange(start, start + size)
                alone = network(x[rows], boundaries([size]))
                torch.testing.assert_close(
                    list(alone), chosen(together, rows), rtol=1e-6, atol=1e-6, msg=f"event {event}"
                )
            assert mlpf_loss(together, y).counts[0] == sum(sizes)
