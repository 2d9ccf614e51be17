"""The optimiser: PyTorch's AdamW to the last bit, whatever was done to its parameters and its state."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

from mlpf_hpo.mlpf.optimiser import AdamW

SHAPES = ((3,), (64, 14), (64,), (1,), (17, 5), ())
"""Sizes that vector units fill, and that they do not."""

RATES = {"lr": 3e-3, "weight_decay": 0.1}


class Pair:
    """The same parameters twice, one set trained by PyTorch's optimiser."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> None:
        self.generator = torch.Generator().manual_seed(3)
        drawn = [torch.randn(shape, generator=self.generator) for shape in shapes]
        self.ours, self.theirs = ([nn.Parameter(one.clone()) for one in drawn] for _ in range(2))
        self.optimiser = AdamW(self.ours, **RATES)
        self.reference = torch.optim.AdamW(self.theirs, amsgrad=True, fused=True, **RATES)

    def give(self, without: int | None = None) -> None:
        """Give both the same gradients, of some size that changes; one parameter may get none."""
        for number, (one, other) in enumerate(zip(self.ours, self.theirs, strict=True)):
            drawn = torch.randn(one.shape, generator=self.generator)
            one.grad, other.grad = (
                None if number == without else scale * drawn
                for scale in [torch.rand(1, generator=self.generator).item()] * 2
            )

    def steps(self, n: int, without: int | None = None) -> None:
        for _ in range(n):
            self.give(without)
            self.optimiser.step()
            self.reference.step()

    def assert_equal(self) -> None:
        for one, other in zip(self.ours, self.theirs, strict=True):
            assert torch.equal(one, other)
        ours, theirs = self.optimiser.state_dict(), self.reference.state_dict()
        assert ours["param_groups"] == theirs["param_groups"]
        assert ours["state"].keys() == theirs["state"].keys()
        for number, state in theirs["state"].items():
            assert ours["state"][number].keys() == state.keys()
            assert all(torch.equal(ours["state"][number][name], value) for name, value in state.items())


@pytest.fixture
def by_pytorch(monkeypatch: pytest.MonkeyPatch) -> list[AdamW]:
    """Optimisers that have left a step to PyTorch, one for each such step."""
    left: list[AdamW] = []
    whole = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, closure: object = None) -> object:
        if isinstance(self, AdamW):
            left.append(self)
        return whole(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return left


def test_steps_are_those_of_pytorch(by_pytorch):
    pair = Pair()
    pair.steps(20)
    pair.assert_equal()
    assert len(by_pytorch) == 1  # the first one, which makes the state


def test_a_learning_rate_may_change():
    pair = Pair()
    pair.steps(2)
    for optimiser in (pair.optimiser, pair.reference):
        optimiser.param_groups[0]["lr"] = 1e-4
    pair.steps(3)
    pair.assert_equal()


def test_a_parameter_without_gradient_is_left_as_it_is(by_pytorch):
    pair = Pair()
    pair.steps(2)
    pair.steps(2, without=1)
    pair.steps(2)
    pair.assert_equal()
    assert len(by_pytorch) == 3
    frozen = Pair()
    frozen.steps(3, without=0)
    frozen.steps(2)  # its state is the last one, but it is the first parameter
    frozen.assert_equal()


def test_states_of_both_are_the_same_in_a_checkpoint(by_pytorch):
    pair = Pair()
    pair.steps(3)
    for given, taker in ((pair.optimiser, pair.reference), (pair.reference, pair.optimiser)):
        file = io.BytesIO()
        torch.save(given.state_dict(), file)
        file.seek(0)
        taker.load_state_dict(torch.load(file, weights_only=True))
        pair.steps(2)
        pair.assert_equal()
    assert len(by_pytorch) == 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_on_by_itself(again):
    pair = Pair()
    pair.steps(2)
    copied = again(pair.optimiser)
    before = [one.detach().clone() for one in copied.param_groups[0]["params"]]
    pair.steps(2)
    pair.assert_equal()
    assert all(map(torch.equal, before, copied.param_groups[0]["params"]))
    for one in copied.param_groups[0]["params"]:
        one.grad = torch.ones_like(one)
    copied.step()
    assert {state["step"].item() for state in copied.state.values()} == {3.0}
    pair.assert_equal()


def test_several_groups_and_no_parameters_at_all():
    pair = Pair()
    more = torch.ones(4)
    for optimiser in (pair.optimiser, pair.reference):
        extra = nn.Parameter(more.clone())
        extra.grad = torch.ones(4)
        optimiser.add_param_group({"params": [extra], "lr": 0.5})
        (pair.ours if optimiser is pair.optimiser else pair.theirs).append(extra)
    pair.steps(3)
    pair.assert_equal()


def test_a_closure_is_called_with_gradients():
    weight = nn.Parameter(torch.tensor(2.0))
    optimiser = AdamW([weight], **RATES)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = weight**2
        loss.backward()
        return loss

    losses = [optimiser.step(closure).item() for _ in range(3)]
    assert losses[0] == 4
    assert losses[2] < losses[1] < losses[0]
