"""Events at a pile-up of 200: as busy as those of the public dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf_hpo.events import generation, pileup
from mlpf_hpo.events.generation import generate_store

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")


@pytest.mark.pipeline
def test_ttbar_at_pileup_200_has_about_5000_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "BLOCK", 8)  # something to do for both processes
    monkeypatch.setattr(pileup, "BLOCK", 200)
    store = generate_store(tmp_path / "busy", "ttbar", 16, 200.0, seed=1, pool_size=400, workers=2)
    counts = store.element_counts
    assert 4500 < counts.mean() < 5800
    assert 200 < counts.std() < 800
    assert store.manifest["settings"]["pool_mean_uses"] == pytest.approx(16 * 200 / 400)
    features = np.concatenate([event.features for event in store])
    targets = np.concatenate([event.targets for event in store])
    towers = features[:, 0] == 1
    for share in (
        1 - towers.mean(),
        (towers & (features[:, 6] > 0)).mean(),
        (features[:, 7][towers] > 0).mean(),
    ):
        assert 0.15 < share < 0.65  # tracks, ECAL towers, HCAL towers among towers
    assert (targets[:, 0] == 0).mean() < 0.15
    assert all(len(event.generator_jets) > 20 for event in store)
