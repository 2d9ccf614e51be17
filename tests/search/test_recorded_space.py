"""The space of recorded configurations, and the nearest of them."""

from __future__ import annotations

import math

import numpy as np

from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.recorded_space import NearestRow, space_of
from mlpf_hpo.space import Choice, Integer, LogUniform, Uniform
from mlpf_hpo.target_metric import TargetMetric

N = 20


def curves(rows) -> LearningCurves:
    return LearningCurves.from_arrays(rows, [[1.0]] * len(rows), TargetMetric("loss", "min"))


def table() -> LearningCurves:
    return curves(
        [
            {
                "lr": 0.01 * (i + 1),
                "decay": 10.0 ** (-i / 4),
                "momentum": i / N,
                "epochs": i + 3,
                "width": 2**i,
                "layers": i % 4,
                "optimizer": ("adam", "sgd")[i % 2],
                "bias": i % 3 == 0,
            }
            for i in range(N)
        ]
    )


def test_scales() -> None:
    assert space_of(table()).domains == {
        "lr": LogUniform(0.01, 0.2),
        "decay": LogUniform(10.0 ** (-19 / 4), 1.0),
        "momentum": Uniform(0.0, 0.95),
        "epochs": Integer(3, 22),
        "width": Integer(1, 2**19, "log"),
        "layers": Choice((0, 1, 2, 3)),
        "optimizer": Choice(("adam", "sgd")),
        "bias": Choice((False, True)),
    }


def test_a_prior_widens_it_if_it_has_every_hyperparameter() -> None:
    rows = [{"lr": 0.01 * (i + 1), "layers": i % 4} for i in range(N)]
    prior = curves([{"lr": 0.9, "layers": 7, "more": 1}])
    assert space_of(curves(rows), prior).domains == {
        "lr": LogUniform(0.01, 0.9),
        "layers": Choice((0, 1, 2, 3, 7)),
    }
    assert space_of(curves(rows), curves([{"lr": 0.9}])) == space_of(curves(rows))


def test_the_nearest_row_by_distances_written_down_by_hand() -> None:
    recorded, generator = table(), np.random.default_rng(0)
    space = space_of(recorded)
    nearest, left = NearestRow(recorded, space), list(range(N))

    def distance(one, other) -> float:
        logs = [
            math.log(one["lr"] / other["lr"]) / math.log(20),
            math.log10(one["decay"] / other["decay"]) / (19 / 4),
            math.log2(one["width"] / other["width"]) / 19,
        ]
        linear = [
            (one[name] - other[name]) / unit
            for name, unit in (("momentum", 0.95), ("epochs", 19), ("layers", 3))
        ]
        different = [one[name] != other[name] for name in ("optimizer", "bias")]
        return sum(d**2 for d in [*logs, *linear]) + sum(different)

    rows = recorded.configs.to_dict("records")
    for _ in range(N):
        proposed = space.sample(generator)
        expected = min(left, key=lambda row: distance(proposed, rows[row]))
        assert nearest.take(proposed) == expected
        left.remove(expected)
