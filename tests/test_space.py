"""The stream of configurations: within table 1, extended by asking for more, the same for the same seed."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import TABLE_1, Choice, config_id

seeds = st.integers(0, 2**31 - 1)


@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_more_trials_extend_the_stream(seed: int, few: int, more: int) -> None:
    assert TABLE_1.stream(few + more, seed)[:few] == TABLE_1.stream(few, seed)


@given(seeds)
def test_samples_lie_in_table_1(seed: int) -> None:
    (configuration,) = TABLE_1.stream(1, seed)
    assert tuple(configuration) == TABLE_1.names
    for name, domain in TABLE_1.domains.items():
        if isinstance(domain, Choice):
            assert configuration[name] in domain.values
        else:
            assert domain.low <= configuration[name] <= domain.high


def test_scales() -> None:
    stream = TABLE_1.stream(2000, 1)
    log_lr = np.log([float(c["lr"]) for c in stream])
    low, high = math.log(1e-6), math.log(3e-2)
    standard_error = (high - low) / math.sqrt(12 * len(stream))
    assert abs(log_lr.mean() - (low + high) / 2) < 4 * standard_error
    dropout = np.array([c["dropout"] for c in stream])
    assert abs(dropout.mean() - 0.25) < 4 * 0.5 / math.sqrt(12 * len(stream))
    assert {c["output_dim"] for c in stream} == {8, 16, 32, 64, 128, 256}


@given(seeds, seeds)
def test_config_id_tells_configurations_apart(a: int, b: int) -> None:
    (one,), (other,) = TABLE_1.stream(1, a), TABLE_1.stream(1, b)
    assert (config_id(one) == config_id(other)) == (one == other)


@given(seeds, st.lists(st.text(max_size=4) | st.integers(0, 99), max_size=3))
def test_derived_seeds_are_seeds(seed: int, purpose: list[str | int]) -> None:
    assert 0 <= derive_seed(seed, *purpose) < 2**31
    assert derive_seed(seed, *purpose) != derive_seed(seed, *purpose, "other")
