"""Checkpoints: complete or absent, damage noticed, the newest two kept."""

from __future__ import annotations

import logging

import pytest
import torch

from mlpf_hpo.errors import DataError
from mlpf_hpo.tuning.checkpoints import newest_checkpoint, save_checkpoint


def save(folder, epoch):
    return save_checkpoint(
        folder, epoch, lambda path: torch.save({"epoch": epoch, "w": torch.ones(100)}, path)
    )


def test_the_newest_two_are_kept(tmp_path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None
    paths = [save(tmp_path / "new", epoch) for epoch in range(1, 5)]
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths[-2:])
    newest = newest_checkpoint(tmp_path / "new")
    assert newest is not None
    assert (newest.epoch, newest.content["epoch"], newest.path) == (4, 4, paths[-1])


@pytest.mark.parametrize("damage", ["truncated", "empty", "one bit", "of another format"])
def test_damage_is_noticed_and_the_one_before_used(tmp_path, caplog, damage) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"truncated": content[:-20], "empty": b"", "one bit": content, "of another format": b"x"}[damage]
    )
    with caplog.at_level(logging.WARNING):
        newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.epoch == 1
    assert str(path) in caplog.text


def test_what_a_killed_process_left_goes(tmp_path) -> None:
    (tmp_path / ".epoch-00001.4711.tmp").write_bytes(b"half")
    path = save(tmp_path, 1)
    assert list(tmp_path.iterdir()) == [path]


def test_all_damaged_means_none(tmp_path) -> None:
    save(tmp_path, 1).write_bytes(b"")
    assert newest_checkpoint(tmp_path) is None


def test_a_write_that_breaks_leaves_what_was(tmp_path) -> None:
    before = save(tmp_path, 1)

    def broken(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"No space left"):
        save_checkpoint(tmp_path, 2, broken)
    assert list(tmp_path.iterdir()) == [before]


def test_a_checkpoint_that_runs_code_is_not_loaded(tmp_path, caplog) -> None:
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    save_checkpoint(tmp_path, 1, lambda path: torch.save({"x": Evil()}, path))
    assert newest_checkpoint(tmp_path) is None
