"""The terms of the loss against closed forms; the physics counts against counting one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlpf_hpo.events.schema import CLASSES
from mlpf_hpo.mlpf.loss import HUBER_DELTA, TERMS, WEIGHTS, LossTerms, mlpf_loss
from mlpf_hpo.mlpf.network import Predictions
from mlpf_hpo.mlpf.physics import RESIDUALS, physics_counts

COLUMNS = {"charge": 1, "pt": 2, "eta": 3, "sin_phi": 4, "cos_phi": 5, "energy": 6}


def targets(pids: list[int], **columns: list[float]) -> Tensor:
    y = torch.zeros(len(pids), 7, dtype=torch.float64)
    y[:, 0] = torch.tensor(pids)
    for name, values in columns.items():
        y[:, COLUMNS[name]] = torch.tensor(values, dtype=torch.float64)
    return y


def predicted(classes: list[int], **columns: list[float]) -> Predictions:
    """Predictions with these classes; what is not given is 0."""
    logits = torch.full((len(classes), 6), -2.0, dtype=torch.float64)
    logits[range(len(classes)), classes] = 3.0
    zeros = [0.0] * len(classes)
    rest = {n: torch.tensor(columns.get(n, zeros), dtype=torch.float64) for n in COLUMNS}
    return Predictions(logits=logits, **rest)


def sums(terms: LossTerms) -> dict[str, float]:
    return dict(zip(TERMS, terms.sums.tolist(), strict=True))


def test_weights_and_deltas() -> None:
    assert WEIGHTS == {
        "class": 1,
        "charge": 1,
        "pt": 100,
        "eta": 100,
        "sin_phi": 100,
        "cos_phi": 100,
        "energy": 100,
    }
    assert HUBER_DELTA == {"pt": 1.0, "energy": 1.0, "eta": 0.1, "sin_phi": 0.1, "cos_phi": 0.1}


def test_equal_scores_cost_the_logarithm_of_the_number_of_classes() -> None:
    flat = predicted([0, 0, 0])._replace(logits=torch.zeros(3, 6, dtype=torch.float64))
    assert sums(mlpf_loss(flat, targets([0, 3, 5])))["class"] == pytest.approx(3 * math.log(6))


def test_cross_entropy_of_right_and_wrong() -> None:
    partition = math.log(math.exp(3) + 5 * math.exp(-2))
    terms = sums(mlpf_loss(predicted([2, 2]), targets([2, 1])))
    assert terms["class"] == pytest.approx(partition - 3 + partition + 2)


@pytest.mark.parametrize(("error", "expected"), [(0.5, 0.25), (-2.0, 4.0)])
def test_charge_is_a_squared_error(error: float, expected: float) -> None:
    terms = mlpf_loss(predicted([1], charge=[1 + error]), targets([1], charge=[1]))
    assert sums(terms)["charge"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        *[(name, error, cost) for name in ("pt", "energy") for error, cost in ((0.4, 0.08), (-3.0, 2.5))],
        *[
            (name, error, cost)
            for name in ("eta", "sin_phi", "cos_phi")
            for error, cost in ((0.04, 0.0008), (-0.3, 0.1 * (0.3 - 0.05)))
        ],
    ],
)
def test_huber_terms(name: str, error: float, expected: float) -> None:
    terms = mlpf_loss(predicted([1], **{name: [1 + error]}), targets([1], **{name: [1.0]}))
    costs = sums(terms)
    assert costs.pop(name) == pytest.approx(expected)
    costs.pop("class")
    assert not any(costs.values())
    weighted = WEIGHTS[name] * expected + float(terms.sums[0])
    assert float(terms.total) == pytest.approx(weighted)


def test_elements_without_a_target_count_in_the_class_only() -> None:
    wild = {name: [7.0, 7.0, 7.0] for name in COLUMNS}
    terms = mlpf_loss(predicted([0, 1, 0], **wild), targets([0, 0, 2]))
    assert terms.counts.tolist() == [3] + [1] * 6
    assert sums(terms)["charge"] == 49
    nothing = mlpf_loss(predicted([0, 1], charge=[7.0, 7.0]), targets([0, 0]))
    assert nothing.counts.tolist() == [2] + [0] * 6
    assert nothing.means[1:].tolist() == [0] * 6
    assert float(nothing.total) == pytest.approx(float(nothing.sums[0]) / 2)


def test_the_total_of_two_batches_is_not_the_mean_of_their_totals() -> None:
    one = mlpf_loss(predicted([1], charge=[2.0]), targets([1]))
    three = mlpf_loss(predicted([1, 1, 1]), targets([1, 1, 1]))
    together = one + three
    assert together.counts.tolist() == [4] * 7
    assert float(together.means[TERMS.index("charge")]) == 1.0
    assert not (one + three).detach().sums.requires_grad


def naive_metrics(p: Predictions, y: Tensor) -> dict[str, float]:
    """Count element by element."""
    guess = [max(range(6), key=lambda k: row[k]) for row in p.logits.tolist()]
    true = [int(v) for v in y[:, 0]]
    out: dict[str, float] = {}
    for k in range(1, 6):
        name = CLASSES[k].replace(" ", "_")
        are = [g for g, t in zip(guess, true, strict=True) if t == k]
        predicted = [t for g, t in zip(guess, true, strict=True) if g == k]
        if are:
            out[f"efficiency_{name}"] = are.count(k) / len(are)
        if predicted:
            out[f"fake_rate_{name}"] = sum(t != k for t in predicted) / len(predicted)
    out["accuracy"] = sum(g == t for g, t in zip(guess, true, strict=True)) / len(true)
    residuals: dict[str, list[float]] = {name: [] for name in RESIDUALS}
    for i, (g, t) in enumerate(zip(guess, true, strict=True)):
        if g != t or t == 0:
            continue
        row = y[i].tolist()
        residuals["pt"].append(float(p.pt[i]) / row[2] - 1)
        residuals["energy"].append(float(p.energy[i]) / row[6] - 1)
        residuals["eta"].append(float(p.eta[i]) - row[3])
        turn = complex(float(p.cos_phi[i]), float(p.sin_phi[i])) / complex(row[5], row[4])
        residuals["phi"].append(math.atan2(turn.imag, turn.real))
    for name, values in residuals.items():
        if values:
            out[f"{name}_residual_mean"] = float(np.mean(values))
            out[f"{name}_residual_std"] = float(np.std(values))
    return out


@settings(max_examples=40)
@given(n=st.integers(1, 60), n_classes=st.integers(1, 6), seed=st.integers(0, 999))
def test_metrics_equal_counting_one_by_one(n: int, n_classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def positive() -> Tensor:
        return torch.rand(n, generator=generator, dtype=torch.float64) + 0.1

    pids = torch.randint(0, n_classes, (n,), generator=generator)
    phi = 6.28 * torch.rand(2, n, generator=generator, dtype=torch.float64)
    y = torch.stack([pids, pids, positive(), positive(), phi[0].sin(), phi[0].cos(), positive()], dim=1)
    logits = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    logits[:, n_classes:] = -9
    length = positive()  # sine and cosine of a network are not on the unit circle
    p = Predictions(
        logits,
        pids.double(),
        positive(),
        positive(),
        length * phi[1].sin(),
        length * phi[1].cos(),
        positive(),
    )
    assert physics_counts(p, y).metrics() == pytest.approx(naive_metrics(p, y), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_phi_wraps(sign: int) -> None:
    """3.1 and -3.1 lie 0.083 apart, not 6.2."""
    true, guess = sign * 3.1, -sign * 3.1
    y = targets([1], pt=[1], energy=[1], sin_phi=[math.sin(true)], cos_phi=[math.cos(true)])
    p = predicted([1], sin_phi=[math.sin(guess)], cos_phi=[math.cos(guess)])
    expected = sign * (2 * math.pi - 6.2)
    assert physics_counts(p, y).metrics()["phi_residual_mean"] == pytest.approx(expected)


def test_what_cannot_be_counted_is_left_out() -> None:
    metrics = physics_counts(predicted([0, 3]), targets([0, 0])).metrics()
    assert metrics == {"fake_rate_photon": 1.0, "accuracy": 0.5}


def test_counting_keeps_no_history() -> None:
    p = predicted([1], pt=[1.0])
    p.pt.requires_grad_()
    counts = physics_counts(p, targets([1], pt=[2.0], energy=[1.0]))
    assert not counts.moments.requires_grad
    assert counts.moments[0].tolist() == [-0.5, 0.25]
