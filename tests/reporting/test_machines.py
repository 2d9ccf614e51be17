"""Machines compared: a known factor is found although the machines trained different configurations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlpf_hpo.reporting.machines import compare_machines, is_mixed
from mlpf_hpo.reporting.throughput import describe_machines


def made(inputs, labels: list[str], speed: dict[str, float], seed: int = 0):
    """Return curves whose throughput is their machine's speed over their configuration's cost."""
    generator, n = np.random.default_rng(seed), len(labels)
    # The second machine got the large networks: medians mislead.
    larger = np.array([label != labels[0] for label in labels])
    configs = pd.DataFrame(
        {
            "config_id": [str(i) for i in range(n)],
            "seed": 0,
            "n_glayers_id": generator.integers(0, 5, n),
            "n_glayers_reg": generator.integers(0, 5, n),
            "output_dim": np.where(larger, generator.choice([64, 128], n), generator.choice([16, 32, 64], n)),
            "bin_size": generator.choice([8, 32, 128], n),
        }
    )
    cost = np.exp(0.2 * (configs.n_glayers_id + configs.n_glayers_reg)) * configs.output_dim**0.7
    rates = 1e4 * np.array([speed[label] for label in labels]) / cost
    noise = np.exp(0.05 * generator.normal(size=(n, 6)))
    return dataclasses.replace(
        inputs.curves,
        configs=configs,
        metrics={
            "val/loss": np.ones((n, 6)),
            "throughput/events_per_second": rates.to_numpy()[:, None] * noise,
            "throughput/elements_per_second": 100 * rates.to_numpy()[:, None] * noise,
        },
        status=np.full(n, "finished"),
        restart_epoch=np.full(n, -1),
        run_ids=np.arange(n).astype(str),
        hardware=np.array(labels),
    )


def test_a_known_factor_at_equal_configuration(inputs) -> None:
    curves = made(inputs, ["slow"] * 24 + ["fast"] * 20, {"slow": 1.0, "fast": 1.5})
    slow, fast = compare_machines(curves)
    assert (slow.label, fast.label) == ("slow", "fast")
    assert slow.relative.value == 1
    assert fast.events.value < slow.events.value, "as they are, the medians say the opposite"
    assert fast.relative.low <= 1.5 <= fast.relative.high
    assert fast.relative.value == pytest.approx(1.5, rel=0.1)
    assert slow.elements == pytest.approx(100 * slow.events.value)
    assert slow.events.low <= slow.events.value <= slow.events.high
    assert "no fair comparison" in describe_machines([slow, fast])


def test_too_few_trials_are_not_compared(inputs) -> None:
    machines = compare_machines(made(inputs, ["a"] * 9 + ["b"] * 3, {"a": 1, "b": 2}))
    assert [machine.relative for machine in machines] == [None, None]
    assert "Too few trials" in describe_machines(machines)


def test_trials_on_two_machines_are_told_apart(inputs) -> None:
    labels = ["a"] * 12 + ["b"] * 12 + ["a+b"] * 12
    machines = {m.label: m for m in compare_machines(made(inputs, labels, dict.fromkeys(labels, 1.0)))}
    assert is_mixed("a+b")
    assert machines["a+b"].relative is None
    assert machines["b"].relative is not None
    assert "a+b changed machines" in describe_machines(list(machines.values()))
