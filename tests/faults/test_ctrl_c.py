"""Ctrl-C in stages that need only events before them; test_kills.py has those that need more."""

from __future__ import annotations

import pytest

from tests.faults.interruptions import check_ctrl_c


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["events", "benchmark"])
def test_ctrl_c_in_a_stage(stage, with_events, copy, measured) -> None:
    check_ctrl_c(copy(with_events), stage, measured)
