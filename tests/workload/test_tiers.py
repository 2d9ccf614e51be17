"""The fixed events of the benchmark: these and no others, whole."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.errors import DataError
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.workload.tiers import TIERS, Tier


@pytest.mark.parametrize(
    ("name", "pileup", "elements"), [("pu0", 0.0, (69, 238)), ("pu200", 200.0, (4000, 6500))]
)
def test_events_are_of_their_tier(name: str, pileup: float, elements: tuple[int, int]) -> None:
    tier = TIERS[name]
    store = EventStore.open(tier.verified())
    assert store.manifest["pileup"] == pileup
    assert elements[0] <= store.element_counts.min() <= store.element_counts.max() <= elements[1]
    said = f"{len(store)} top quark pairs"
    assert tier.description.startswith(said)
    assert f"{store.element_counts.mean():.0f} elements each" in tier.description


@pytest.fixture
def copied(tmp_path: Path) -> Tier:
    shutil.copytree(TIERS["pu0"].path, tmp_path / "pu0")
    return dataclasses.replace(TIERS["pu0"], path=tmp_path / "pu0")


def test_a_single_other_bit_is_refused(copied: Tier) -> None:
    file = copied.path / "features.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"features\.npy: damaged"):
        copied.verified()


def test_other_events_are_refused_though_they_are_whole(copied: Tier) -> None:
    events = list(map(EventStore.open(copied.path).__getitem__, range(2)))
    write_store(copied.path, events, {})
    with pytest.raises(DataError, match="this tier's events have 0d739f67d8911178"):
        copied.verified()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tier", "pu40"], "pu40"),
        (["--tier", "pu0", "--store", "data"], "--store and --tier"),
    ],
)
def test_what_is_no_tier_is_usage(options: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["benchmark", *options, "-w", str(tmp_path)])
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)
    assert not list(tmp_path.iterdir())


def test_copies_of_a_tier_are_small() -> None:
    """They are in every clone and in every wheel."""
    files = [file for tier in TIERS.values() for file in tier.path.iterdir()]
    assert sum(file.stat().st_size for file in files) < 4e6
    assert all(json.loads((tier.path / "manifest.json").read_text())["settings"] for tier in TIERS.values())
