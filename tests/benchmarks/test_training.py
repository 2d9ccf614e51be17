"""What is not a time in the benchmark of training is checked against what is known; the rest is whole."""

from __future__ import annotations

import math

from benchmarks.framework import shares
from benchmarks.ranks import efficiency


def test_the_overhead_of_the_framework_is_measured() -> None:
    framework, checkpoint = shares({"train": 4, "validation": 1}, elements=20, epochs=3)
    assert math.isfinite(framework)
    assert framework > -1
    assert checkpoint > 0


def test_two_processes_train_beside_one() -> None:
    assert efficiency([40, 30, 20], rounds=1) > 0
