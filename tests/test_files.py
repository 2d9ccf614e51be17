"""Files are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.files import read_json, write_json, written_whole


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def fail() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_json(path, "x") == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_folders_replace_folders(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with written_whole(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["two"]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    """That of a process that lives stays: it may still be writing."""
    script = (
        "import os, sys; from pathlib import Path; from mlpf_hpo.files import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as temporary:\n"
        "    temporary.mkdir(); (temporary / 'half').touch(); os._exit(9)"
    )
    path = tmp_path / "store"
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    of_another = tmp_path / f".store.{os.getppid()}.tmp"
    of_another.touch()
    with written_whole(path) as temporary:
        temporary.mkdir()
    assert set(tmp_path.iterdir()) == {path, of_another}


def test_the_file_system_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/a\.json: cannot be written"):
        write_json(tmp_path / "file" / "a.json", {})


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_reading_says_which_stage(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="stage `search` makes it"):
        read_json(tmp_path / "none.json", "search")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(tmp_path / "bad.json", "search")
