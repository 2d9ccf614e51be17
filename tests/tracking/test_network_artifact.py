"""Networks kept with their runs: once, whole, and distinguished from a file that is gone or damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.tracking.network_artifact import fetch_network, keep_network, kept_name

NAME = "epoch-00003-0123456789abcdef.ckpt"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(os.urandom(100))
    return path


@pytest.fixture
def run(open_trial) -> str:
    return open_trial("k0")


def stored(writer, run: str) -> Path:
    place = writer.client.get_run(run).info.artifact_uri.removeprefix("file://")
    return Path(place) / "network" / Path(NAME).stem / NAME


def test_what_is_kept_comes_back(writer, run: str, checkpoint: Path, tmp_path: Path) -> None:
    assert kept_name(writer.client, run) is None
    with pytest.raises(TrackingError, match="no network is kept with it"):
        fetch_network(writer.client, run, tmp_path / "there")
    keep_network(writer.client, run, checkpoint)
    tags = writer.client.get_run(run).data.tags
    assert (kept_name(writer.client, run), tags["network_sha256"]) == (NAME, sha256(checkpoint))
    fetched = fetch_network(writer.client, run, tmp_path / "there")
    assert (fetched.name, fetched.read_bytes()) == (NAME, checkpoint.read_bytes())


def test_what_is_there_is_not_written_again_and_what_is_damaged_is(writer, run, checkpoint, tmp_path) -> None:
    keep_network(writer.client, run, checkpoint)
    file = stored(writer, run)
    before = file.stat().st_ino
    keep_network(writer.client, run, checkpoint)
    assert file.stat().st_ino == before
    file.write_bytes(b"x" * 100)
    with pytest.raises(TrackingError, match="is damaged: its checksum is not the one on record"):
        fetch_network(writer.client, run, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    keep_network(writer.client, run, checkpoint)
    assert file.read_bytes() == checkpoint.read_bytes()
    file.unlink()
    with pytest.raises(TrackingError, match=rf"run {run}: its network, network/.*{NAME} below .* is gone"):
        fetch_network(writer.client, run, tmp_path / "there")
    keep_network(writer.client, run, checkpoint)
    assert file.read_bytes() == checkpoint.read_bytes()


def test_a_later_network_takes_the_place_of_an_earlier_one(writer, run, checkpoint, tmp_path) -> None:
    keep_network(writer.client, run, checkpoint)
    later = checkpoint.with_name(NAME.replace("3", "7", 1))
    later.write_bytes(b"later")
    keep_network(writer.client, run, later)
    assert fetch_network(writer.client, run, tmp_path / "there").read_bytes() == b"later"
