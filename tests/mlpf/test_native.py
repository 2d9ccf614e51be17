"""The step written out by hand computes what the network says, by every instruction set of this processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.mlpf.activation import elu
from mlpf_hpo.mlpf.blocks import BLOCK
from mlpf_hpo.mlpf.blockwise import training_loss
from mlpf_hpo.mlpf.dropout import random_words
from mlpf_hpo.mlpf.loss import loss_counts
from mlpf_hpo.mlpf.native import kernels as native_kernels
from mlpf_hpo.mlpf.native.build import BASELINE, instruction_sets
from mlpf_hpo.mlpf.native.choice import Native
from mlpf_hpo.mlpf.native.kernels import OFF, VARIABLE, kernels
from mlpf_hpo.mlpf.network import MLPF, encode
from tests.mlpf.test_reference import CORNERS, around

SETS = list(instruction_sets())

pytestmark = pytest.mark.skipif(native_kernels._load(BASELINE) is None, reason="no C compiler here")


@pytest.fixture(params=SETS)
def by(request, monkeypatch) -> str:
    """Compute with the kernels of an instruction set; skip those that this processor has not."""
    monkeypatch.setenv(VARIABLE, request.param)
    try:
        kernels()
    except ConfigurationError as error:
        pytest.skip(str(error))
    return request.param


def step(network: MLPF, x: Tensor, ptr: Tensor, y: Tensor) -> tuple[float, Tensor]:
    """Return the loss and all gradients, one after the other, with the masks of a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network.zero_grad()
        loss, _ = training_loss(network, x, ptr, y, loss_counts(y[:, 0]))
        (3.0 * loss).backward()
    every = [p.grad if p.grad is not None else torch.zeros_like(p) for p in network.parameters()]
    return float(loss.detach()), torch.cat([one.reshape(-1).double() for one in every])


def deviation(values: Tensor, exact: Tensor) -> float:
    return float((values - exact).norm() / exact.norm().clamp(min=1e-30))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(("n_id", "n_reg", "size", "width", "sizes", "no_target", "columns"), CORNERS)
def test_loss_and_gradients_beside_double_precision(
    make_batch, make_network, monkeypatch, by, n_id, n_reg, size, width, sizes, no_target, columns, dropout
) -> None:
    """As near to float64 as PyTorch's float32 is; that float64 is right, test_reference.py has seen."""
    monkeypatch.setitem(BLOCK, "cpu", 100)  # several blocks, none of them full
    exact = make_network(n_id, n_reg, size, width, dropout, columns)
    network = deepcopy(exact).float()
    x, ptr, y = make_batch(sizes, no_target=no_target)
    double_loss, double = step(exact, x, ptr, y)
    assert Native.of(network, x.float()) is not None
    loss, gradients = step(network, x.float(), ptr, y.float())
    monkeypatch.setenv(VARIABLE, OFF)
    assert Native.of(network, x.float()) is None
    plain_loss, plain = step(network, x.float(), ptr, y.float())
    assert loss == pytest.approx(double_loss, rel=5e-7)
    assert loss == pytest.approx(plain_loss, rel=5e-7)
    assert deviation(gradients, double) < 1.5 * deviation(plain, double) + 1e-7


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]])
def test_nothing_to_train_on_is_no_error(make_batch, make_network, by, sizes) -> None:
    network, batch = make_network(dropout=0.2, dtype=torch.float32), make_batch(sizes, dtype=torch.float32)
    loss, gradients = step(network, *batch)
    assert loss == 0.0
    assert not gradients.any()
    with torch.inference_mode():
        assert network.eval()(*batch[:2]).logits.shape == (0, 6)


def test_reconstruction_beside_double_precision(make_batch, make_network, by) -> None:
    exact = make_network(2, 1, 16, 8, dropout=0.5).eval()
    x, ptr, _ = make_batch([*around(16), 0, 300])
    with torch.inference_mode():
        expected = exact(x, ptr)
        found = deepcopy(exact).float()(x.float(), ptr)
    for name, value in expected._asdict().items():
        assert deviation(getattr(found, name).double(), value) < 1e-6, name


def test_instruction_sets_agree(make_batch, make_network, monkeypatch) -> None:
    """Products and sums are rounded in another order: by so much and no more."""
    network = make_network(2, 2, 32, 16, 0.3, dtype=torch.float32)
    batch = make_batch([150, 90], dtype=torch.float32)
    found = []
    for name in SETS[SETS.index(native_kernels._best()) :]:
        monkeypatch.setenv(VARIABLE, name)
        found.append(step(network, *batch)[1])
    for one in found[1:]:
        assert deviation(one, found[0]) < 2e-6


@pytest.mark.parametrize(("size", "width", "sizes"), [(16, 32, [1, 300]), (8, 24, [130]), (32, 8, [2])])
def test_products_made_here_are_the_librarys(
    make_batch, make_network, monkeypatch, by, size, width, sizes
) -> None:
    """To the last bit where they are made here unasked, so that no record has to tell them apart."""
    network = make_network(2, 1, size, width, 0.3, dtype=torch.float32, whole_vectors=True)
    batch = make_batch(sizes, dtype=torch.float32)
    this, found = (native_kernels._vendor(), by), []
    unasked = this in native_kernels.FASTER_HERE
    for places in (set(), {this}):
        monkeypatch.setattr(native_kernels, "FASTER_HERE", places)
        assert native_kernels.multiplier().here == len(places)
        found.append(step(network, *batch)[1])
    assert torch.equal(*found) if unasked else deviation(*found) < 2e-6


def test_many_trials_in_one_process_do_not_meet(make_batch, make_network, by) -> None:
    """The kernels run without Python's lock."""
    networks = [make_network(1, 1, 8, 16, dtype=torch.float32, seed=seed) for seed in range(4)]
    batches = [make_batch([200, 50], seed, dtype=torch.float32) for seed in range(4)]
    alone = [step(*pair)[1] for pair in ((n, *b) for n, b in zip(networks, batches, strict=True))]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = pool.map(lambda i: step(networks[i], *batches[i])[1], range(4))
            for one, other in zip(alone, together, strict=True):
                assert torch.equal(one, other)


def test_random_words_are_those_of_splitmix64() -> None:
    """The first numbers that its authors' C code gives for the seed 1234567."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert random_words(1234567, 4).tolist() == expected
    assert np.array_equal(random_words(9, 100)[:30], random_words(9, 30))


@pytest.mark.parametrize("where", ["feature", "weight", "target"])
def test_what_is_not_a_number_stays_none(make_batch, make_network, by, where) -> None:
    """A training that diverges must be seen to."""
    network, (x, ptr, y) = make_network(1, 1, dtype=torch.float32), make_batch([30], dtype=torch.float32)
    for value in (float("nan"), float("inf")):
        broken, (bad_x, bad_y) = deepcopy(network), (x.clone(), y.clone())
        if where == "feature":
            bad_x[3, 1] = value
        elif where == "target":
            bad_y[:, 2] = value
        else:
            with torch.no_grad():
                broken.id_layers[0].embed_out.weight[0, 0] = value
        with torch.no_grad():
            plain = training_loss(
                deepcopy(broken).double(), bad_x.double(), ptr, bad_y.double(), torch.ones(7)
            )[0]
        assert not np.isfinite(float(plain))
        assert not np.isfinite(step(broken, bad_x, ptr, bad_y)[0])


class TestBadInput:
    """Nothing of it reaches the kernels; a batch of other sizes would write where it must not."""

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (
                lambda x, ptr, y: (x[:, :11].contiguous(), ptr, y),
                r"features must be \[N, 12\], not \[40, 11\]",
            ),
            (lambda x, ptr, y: (x, ptr, y[:-1]), r"targets must be \[40, 7\], not \[39, 7\]"),
            (lambda x, ptr, y: (x, ptr - 1, y), r"ptr must rise from 0 to the number of elements, 40"),
            (lambda x, ptr, y: (x, ptr[:-1], y), r"ptr must rise from 0 to the number of elements, 40"),
            (lambda x, ptr, y: (x, torch.tensor([0, 60, 40]), y), r"ptr must rise"),
            (
                lambda x, ptr, y: (x.index_fill(1, torch.tensor([0]), 3.0), ptr, y),
                "40 of 40 elements are of no type",
            ),
            (
                lambda x, ptr, y: (x, ptr, y.index_fill(1, torch.tensor([0]), 6.0)),
                "40 of 40 targets are of no class",
            ),
            (lambda x, ptr, y: (x, ptr, y.index_fill(1, torch.tensor([0]), -1.0)), "targets are of no class"),
        ],
    )
    def test_is_refused(self, make_batch, make_network, change, says) -> None:
        batch = change(*make_batch([25, 15], dtype=torch.float32))
        with pytest.raises(DataError, match=says):
            step(make_network(dtype=torch.float32), *batch)

    def test_too_few_hash_columns_are_refused_as_everywhere(self, make_batch, make_network) -> None:
        texts = []
        for dtype in (torch.float32, torch.float64):
            with pytest.raises(DataError, match="needs 12 hash columns") as error:
                step(make_network(bin_size=8, hash_columns=4, dtype=dtype), *make_batch([200], dtype=dtype))
            texts.append(str(error.value))
        assert texts[0] == texts[1]


def test_targets_and_boundaries_of_other_types_are_converted(make_batch, make_network) -> None:
    network, (x, ptr, y) = make_network(dtype=torch.float32), make_batch([25, 15], dtype=torch.float32)
    loss, gradients = step(network, x, ptr, y)
    for other in ((x, ptr.int(), y), (x, ptr, y.double()), (x, ptr, y.T.contiguous().T)):
        assert Native.of(network, x) is not None
        again, of_other = step(network, *other)
        assert again == loss
        assert torch.equal(of_other, gradients)


def test_elements_get_a_gradient_if_they_want_one(make_batch, make_network) -> None:
    network, (x, ptr, y) = make_network(dtype=torch.float32), make_batch([25], dtype=torch.float32)
    x[:, 5] += 1.0
    x.requires_grad_()
    step(network, x, ptr, y)
    assert x.grad is not None
    assert x.grad.any()


def test_of_a_dropout_that_is_changed_the_new_one_counts(make_batch, make_network, by) -> None:
    network, batch = make_network(dropout=0.5, dtype=torch.float32), make_batch([70], dtype=torch.float32)
    for module in network.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    assert step(network, *batch)[0] == pytest.approx(step(deepcopy(network).eval(), *batch)[0], rel=1e-6)


def test_hash_codes_and_their_ties(by) -> None:
    """The first of the largest, as NumPy's argmax: whole numbers, so that many are equal."""
    generator, most, ptr = np.random.default_rng(2), 5, [0, 40, 40, 70]
    hyperplanes = [5, 0, 2]
    projection = generator.integers(-2, 3, (ptr[-1], most)).astype(np.float32)
    expected = np.zeros(ptr[-1], dtype=np.int32)
    for event, h in enumerate(hyperplanes):
        for row in range(ptr[event], ptr[event + 1]):
            m = projection[row, :h]
            place = int(np.argmax([*m, *-m])) if h else 0
            expected[row] = place if place < h else most + place - h
    codes = torch.empty(ptr[-1], dtype=torch.int32)
    numbers = [torch.from_numpy(projection), torch.tensor(ptr), torch.tensor(hyperplanes)]
    kernels().hash_codes(
        numbers[0].data_ptr(), most, *(one.data_ptr() for one in numbers[1:]), 3, most, codes.data_ptr()
    )
    assert codes.tolist() == expected.tolist()


def test_the_kernel_has_no_slope_among_elements_that_are_next_to_each_other(
    make_network, make_batch, by
) -> None:
    """Below the floor of the distance it is constant."""
    exact = make_network(1, 0, 8, 8)
    x, ptr, y = make_batch([8, 8])
    x[:, 1] = 1.0
    # An embedding of the transverse momentum alone: what is exchanged differs by far more.
    with torch.no_grad():
        weight = exact.id_layers[0].embed_in.weight
        weight *= torch.arange(weight.shape[1]) == 3

    def apart(shift: float) -> tuple[Tensor, float]:
        """Return elements of two kinds, and their distance in the embedding."""
        shifted = x.clone()
        shifted[::2, 1] += shift
        layer = exact.id_layers[0]
        first, second = layer.embed_out(elu(layer.embed_in(encode(shifted[:2]))))
        return shifted, float((first - second).norm().detach())

    near, distance = apart(5e-4 * 1e-3 / apart(1e-3)[1])
    assert 4e-4 < distance < 6e-4  # the floor is 1e-3
    for network in (exact, deepcopy(exact).float()):
        dtype = next(network.parameters()).dtype
        step(network, near.to(dtype), ptr, y.to(dtype))
        layer = network.id_layers[0]
        assert layer.message.weight.grad.any()
        assert not layer.embed_in.weight.grad.any()
