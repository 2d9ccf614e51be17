import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.predictors.qubo import Encoding, Qubo, dual_objective, dual_qubo

ENCODINGS = st.builds(
    Encoding,
    n_bits=st.integers(1, 5),
    base=st.sampled_from([0.5, 0.6, 2.0]),
    k0=st.sampled_from([0.0, 0.005, 1.0]),
)


def all_states(n: int) -> np.ndarray:
    return (np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1).astype(np.uint8)


def random_problem(n_points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    kernel = rbf_kernel(generator.normal(size=(n_points, 2)), gamma=0.3)
    return kernel, generator.normal(size=n_points)


def test_box_of_the_paper():
    assert Encoding(n_bits=3, base=0.5, k0=0.005).upper_bound == pytest.approx(1.75 * 0.5**-0.005, abs=1e-14)


@given(encoding=ENCODINGS, n_points=st.integers(1, 6), seed=st.integers(0, 2**31))
@settings(max_examples=60)
def test_bits_survive_decoding_and_encoding(encoding, n_points, seed):
    bits = np.random.default_rng(seed).integers(
        0, 2, size=(7, encoding.n_variables(n_points)), dtype=np.uint8
    )
    multipliers = encoding.decode(bits)
    assert multipliers.shape == (7, 2, n_points)
    assert multipliers.min() >= 0
    assert multipliers.max() <= encoding.upper_bound * (1 + 1e-12)
    np.testing.assert_allclose(encoding.decode(encoding.encode(multipliers)), multipliers, atol=1e-12)
    np.testing.assert_allclose(bits @ encoding.matrix(n_points).T, multipliers.reshape(7, -1), atol=1e-12)


def test_encoding_orders_the_bits_as_the_paper_does():
    bits = np.zeros(12, dtype=np.uint8)
    bits[[1, 6 + 3]] = 1  # second bit of α_0, first bit of α̂_1
    weights = Encoding().weights
    np.testing.assert_array_equal(Encoding().decode(bits), [[weights[1], 0.0], [0.0, weights[0]]])


@given(encoding=ENCODINGS, seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_encode_takes_the_nearest_value(encoding, seed):
    wanted = np.random.default_rng(seed).uniform(-0.5, encoding.upper_bound + 0.5, size=(2, 4))
    values = all_states(encoding.n_bits) @ encoding.weights
    nearest = np.abs(wanted[..., np.newaxis] - values).min(axis=-1)
    found = np.abs(wanted - encoding.decode(encoding.encode(wanted)))
    np.testing.assert_allclose(found, nearest, atol=1e-12)


@pytest.mark.parametrize(
    ("encoding", "n_points"),
    [(Encoding(), 2), (Encoding(n_bits=2, base=2.0, k0=1.0), 3), (Encoding(n_bits=1), 6)],
)
def test_energies_are_the_dual_objective_in_every_state(encoding, n_points):
    kernel, y = random_problem(n_points, seed=n_points)
    qubo = dual_qubo(kernel, y, epsilon=0.07, xi=0.3, encoding=encoding)
    states = all_states(12)
    multipliers = encoding.decode(states)

    d = multipliers[:, 0] - multipliers[:, 1]
    by_definition = [
        0.5 * row @ kernel @ row + 0.07 * pair.sum() - y @ row + 0.3 * row.sum() ** 2
        for row, pair in zip(d, multipliers, strict=True)
    ]

    assert qubo.n_variables == 12 == encoding.n_variables(n_points)
    np.testing.assert_allclose(qubo.energies(states), by_definition, atol=1e-12)
    np.testing.assert_allclose(dual_objective(multipliers, kernel, y, 0.07, 0.3), by_definition, atol=1e-12)
    np.testing.assert_allclose(qubo.bqm().energies(states), by_definition, atol=1e-12)
    exact = dimod.ExactSolver().sample(qubo.bqm()).first
    assert exact.energy == pytest.approx(min(by_definition), abs=1e-12)


def test_binary_model_keeps_order_offset_and_coefficients():
    matrix = np.array([[1.0, -2.0, 0.0], [-2.0, 3.0, 0.25], [0.0, 0.25, -3.5]])
    qubo = Qubo(matrix, offset=7.0)
    model = qubo.bqm()
    assert list(model.variables) == [0, 1, 2]
    assert model.vartype is dimod.BINARY
    np.testing.assert_allclose(model.energies(all_states(3)), qubo.energies(all_states(3)))
    assert qubo.energies(np.zeros((1, 3)))[0] == 7.0
    assert qubo.largest_coefficient == 4.0  # the coupling of bits 0 and 1 in the upper triangular form
    assert qubo.largest_coefficient == max(
        *map(abs, model.linear.values()), *map(abs, model.quadratic.values())
    )


@pytest.mark.parametrize("wrong", [{"n_bits": 0}, {"n_bits": 17}, {"base": 0.0}, {"k0": float("nan")}])
def test_encodings_without_sense_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Encoding(**wrong)


def test_published_samples_lie_on_the_lattice_and_were_kept_by_this_energy(published):
    for member in published.members:
        encoding = Encoding(member["n_bits"], member["base"], member["k0"])
        kept = np.array(member["kept_samples"]).reshape(4, 2, 20)
        bits = encoding.encode(kept)
        np.testing.assert_allclose(encoding.decode(bits), kept, atol=1e-12)
        kernel = rbf_kernel(member["X_train"], gamma=member["gamma"])
        energies = dual_qubo(kernel, np.array(member["y_train"]), member["epsilon"], 0.01, encoding).energies(
            bits
        )
        assert (np.diff(energies) > 0).all()
