"""Events as nested Parquet: read back by Awkward Array, value for value."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlpf_hpo.events import parquet
from mlpf_hpo.events.parquet import write_parquet
from mlpf_hpo.events.schema import TARGETS, TOWER, TOWER_FEATURES, TRACK, TRACK_FEATURES
from mlpf_hpo.events.store import write_store


def test_all_values_come_back(make_physical_event, tmp_path, monkeypatch) -> None:
    awkward = pytest.importorskip("awkward", reason="the extra [generate] is not installed")
    monkeypatch.setattr(parquet, "ROW_GROUP", 2)
    events = [make_physical_event(n, number=i, jets=i) for i, n in enumerate((6, 0, 9, 4, 1))]
    store = write_store(tmp_path / "store", events, {})
    calls: list[tuple[int, int]] = []
    write_parquet(store, tmp_path / "events.parquet", lambda *done: calls.append(done))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    assert pq.ParquetFile(tmp_path / "events.parquet").num_row_groups == 3
    found = awkward.from_parquet(tmp_path / "events.parquet")
    assert found.number.tolist() == [0, 1, 2, 3, 4]
    for event, row in zip(events, found, strict=True):
        for elements, kind, names in (("tracks", TRACK, TRACK_FEATURES), ("towers", TOWER, TOWER_FEATURES)):
            own = event.features[:, 0] == kind
            for i, name in enumerate(names[1:], start=1):
                assert row[elements, name].tolist() == event.features[own, i].tolist()
            for part in ("target", "candidate"):
                for i, name in enumerate(TARGETS):
                    assert row[elements, part, name].tolist() == getattr(event, f"{part}s")[own, i].tolist()
        assert row.generator_jets.mass.tolist() == event.generator_jets[:, 3].tolist()
        assert [row.generator_met.px, row.generator_met.py] == event.generator_met.tolist()
    assert awkward.sum(awkward.num(found.tracks)) + awkward.sum(awkward.num(found.towers)) == 20
    metadata = pq.read_schema(tmp_path / "events.parquet").metadata
    assert metadata[b"events_digest"].decode() == store.digest


def test_what_a_store_does_not_have_is_left_out(make_physical_event, tmp_path) -> None:
    event = dataclasses.replace(
        make_physical_event(5), candidates=None, generator_jets=None, generator_met=None
    )
    write_parquet(write_store(tmp_path / "store", [event], {}), tmp_path / "events.parquet")
    schema = pq.read_schema(tmp_path / "events.parquet")
    assert schema.names == ["number", "tracks", "towers"]
    assert "candidate" not in [field.name for field in schema.field("tracks").type.value_type]
    read = pq.read_table(tmp_path / "events.parquet").to_pylist()
    assert np.isclose(len(read[0]["tracks"]) + len(read[0]["towers"]), 5)
