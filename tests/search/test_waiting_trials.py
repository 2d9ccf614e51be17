"""`WaitingTrials` against a plain list."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo.search.waiting_trials import WaitingTrials

OPERATIONS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40)


@given(OPERATIONS)
def test_it_is_a_list_without_repetitions(operations) -> None:
    waiting, plain = WaitingTrials(), []
    for added, number in operations:
        trial_id = f"t{number}"
        if added and trial_id not in plain:
            waiting.add(trial_id)
            plain.append(trial_id)
        elif not added:
            waiting.discard(trial_id)
            plain = [other for other in plain if other != trial_id]
        assert list(waiting) == plain
        assert list(reversed(waiting)) == plain[::-1]
        assert (len(waiting), bool(waiting)) == (len(plain), bool(plain))
        assert [waiting[i] for i in range(-len(plain), len(plain))] == [*plain, *plain]
        assert (waiting[1:], waiting[::-2]) == (plain[1:], plain[::-2])
        assert all((f"t{i}" in waiting) == (f"t{i}" in plain) for i in range(10))
    for outside in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError, match=f"no trial at position {outside} of {len(plain)}"):
            waiting[outside]
    assert isinstance(waiting, Sequence)
    assert repr(waiting) == f"WaitingTrials({plain})"
