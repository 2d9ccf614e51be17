"""Files to a store: in order, over processes, taken up again, bad files named or left out on request."""

from __future__ import annotations

import bz2
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlpf_hpo.errors import BusyError, ConfigurationError, DataError, MissingInputError, StorageError
from mlpf_hpo.events import importing
from mlpf_hpo.events.importing import ReadOptions, import_zenodo, process_of, zenodo_files
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.events.zenodo import write_zenodo

OPTIONS = ReadOptions("ttbar", pileup=0.0)


@pytest.fixture
def original(make_physical_event, tmp_path) -> EventStore:
    events = [make_physical_event(n, number=i) for i, n in enumerate((5, 1, 7, 4) * 3)]
    return write_store(tmp_path / "original", events, {})


@pytest.fixture
def files(original, tmp_path, monkeypatch) -> list[Path]:
    """Twelve files of an event each."""
    monkeypatch.setattr("mlpf_hpo.events.zenodo.EVENTS_PER_FILE", 1)
    return write_zenodo(original, tmp_path / "files")


def contents(store: EventStore) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(store.path.iterdir())}


def test_a_round_trip_is_exact(original, files, tmp_path) -> None:
    told: list[tuple[int, int, str]] = []
    store = import_zenodo(
        files, tmp_path / "store", OPTIONS, workers=1, progress=lambda *done: told.append(done)
    )
    for name in ("features", "targets", "candidates", "numbers", "offsets"):
        assert (store.path / f"{name}.npy").read_bytes() == (original.path / f"{name}.npy").read_bytes()
    store.verify()
    assert store.manifest["process"] == "ttbar"
    assert not store.manifest["has_generator_jets"]
    settings = store.manifest["settings"]
    assert [(f["name"], f["events"]) for f in settings["files"]] == [(file.name, 1) for file in files]
    assert "sign of the PDG code" in settings["target_charge"]
    assert settings["skipped"] == []
    assert [done for done, _, _ in told] == [*range(1, 13), 12]
    assert "events/s" in told[0][2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["files", "original", "store"]  # no part is left


def test_two_processes_make_the_same_bytes(files, tmp_path) -> None:
    one = import_zenodo(files, tmp_path / "one", OPTIONS, workers=1)
    two = import_zenodo(files, tmp_path / "two", OPTIONS, workers=2)
    assert contents(one) == contents(two)


def test_files_come_in_the_order_of_their_numbers(files) -> None:
    assert zenodo_files([files[0].parent]) == files  # 10 after 9
    assert zenodo_files([files[3], files[1]]) == [files[3], files[1]]


def test_the_process_is_in_the_names(files, tmp_path) -> None:
    assert process_of(files) == "ttbar"
    assert process_of([Path("tev14_pythia8_qcd_10_3.pkl.bz2")]) == "qcd"
    for names in (["x.pkl.bz2"], ["ttbar.pkl.bz2", "qcd.pkl.bz2"], ["ttbar.pkl.bz2", "x.pkl.bz2"]):
        with pytest.raises(ConfigurationError, match="do not tell one process"):
            process_of([Path(name) for name in names])


def test_nothing_there_is_told(tmp_path) -> None:
    with pytest.raises(MissingInputError, match=r"nowhere\.pkl\.bz2: no such file"):
        zenodo_files([tmp_path / "nowhere.pkl.bz2"])
    with pytest.raises(MissingInputError, match=r"no \*\.pkl\.bz2 in this folder"):
        zenodo_files([tmp_path])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_file_ends_the_import_unless_told_to_go_on(files, tmp_path, workers: int) -> None:
    files[2].write_bytes(files[2].read_bytes()[:100])
    files[5].write_bytes(files[4].read_bytes())
    files[7].unlink()
    path = tmp_path / "store"
    with pytest.raises(DataError, match=rf"{files[2].name}: not a whole pickle"):
        import_zenodo(files, path, OPTIONS, workers)
    assert not path.exists()
    store = import_zenodo(files, path, OPTIONS, workers, keep_going=True)
    assert len(store) == 9
    assert [store[i].number for i in range(9)] == list(range(9))
    skipped = {entry["name"]: entry["reason"] for entry in store.manifest["settings"]["skipped"]}
    assert list(skipped) == [files[2].name, files[5].name, files[7].name]
    assert skipped[files[2].name].startswith("not a whole pickle")
    assert skipped[files[5].name] == f"the same content as {files[4].name}"
    assert "No such file" in skipped[files[7].name]


def test_no_good_file_makes_no_store(files, tmp_path) -> None:
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 12 files could be read; .*_0_0\.pkl\.bz2: not a whole"):
        import_zenodo(files, tmp_path / "store", OPTIONS, workers=1, keep_going=True)
    assert not (tmp_path / "store").exists()


def test_a_full_disk_is_no_bad_file(files, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("store: cannot be written: No space left on device")

    monkeypatch.setattr(importing, "write_store", full)
    with pytest.raises(StorageError, match="No space left"):
        import_zenodo(files, tmp_path / "store", OPTIONS, workers=1, keep_going=True)


@pytest.fixture
def read_files(monkeypatch) -> list[str]:
    """Return the names of the files that are read from now on."""
    names: list[str] = []
    read = importing.read_zenodo

    def remembered(file: Path, **options):
        names.append(file.name)
        return read(file, **options)

    monkeypatch.setattr(importing, "read_zenodo", remembered)
    return names


def test_an_import_goes_on_where_it_stopped(files, tmp_path, read_files, original) -> None:
    def stop_after_seven(done: int, *_: object) -> None:
        if done == 7:
            raise KeyboardInterrupt

    path = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        import_zenodo(files, path, OPTIONS, workers=1, progress=stop_after_seven)
    assert read_files == [file.name for file in files[:7]]
    assert not path.exists()
    read_files.clear()
    store = import_zenodo(files, path, OPTIONS, workers=1)
    assert read_files == [file.name for file in files[7:]]
    assert (path / "features.npy").read_bytes() == (original.path / "features.npy").read_bytes()
    whole = import_zenodo(files, tmp_path / "whole", OPTIONS, workers=1)
    assert store.digest == whole.digest


def test_only_one_process_makes_a_store(files, tmp_path) -> None:
    def import_too(*_: object) -> None:
        with pytest.raises(BusyError, match="store: another process is making this store"):
            import_zenodo(files, tmp_path / "store", OPTIONS, workers=1)

    import_zenodo(files, tmp_path / "store", OPTIONS, workers=1, progress=import_too)


@pytest.fixture
def begun(files, tmp_path, read_files) -> list[Path]:
    """Begin an import that stopped at the last file; return the others."""
    files[-1].write_bytes(b"bad")
    with pytest.raises(DataError):
        import_zenodo(files, tmp_path / "store", OPTIONS, workers=1)
    read_files.clear()
    return files[:-1]


def test_a_file_that_has_changed_is_read_again(begun, tmp_path, read_files) -> None:
    begun[3].write_bytes(bz2.compress(bz2.decompress(begun[3].read_bytes()), 1))  # the same pickle
    import_zenodo(begun, tmp_path / "store", OPTIONS, workers=1).verify()
    assert read_files == [begun[3].name]


def test_a_damaged_part_is_read_again(begun, tmp_path, read_files) -> None:
    parts = {
        json.loads(m.read_text())["settings"]["file"]: m.parent
        for m in tmp_path.glob(".store.parts/*/*.json")
    }
    damaged = parts[str(begun[1])] / "targets.npy"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(bytes(content))
    import_zenodo(begun, tmp_path / "store", OPTIONS, workers=1).verify()
    assert read_files == [begun[1].name]


def test_other_options_read_all_again(begun, tmp_path, read_files) -> None:
    store = import_zenodo(begun, tmp_path / "store", ReadOptions("ttbar", pileup=200.0), workers=1)
    assert read_files == [file.name for file in begun]
    assert store[0].pileup == 200.0


SCRIPT = """
import sys
from pathlib import Path
from mlpf_hpo.events.importing import ReadOptions, import_zenodo, zenodo_files

if __name__ == "__main__":
    folder, store = map(Path, sys.argv[1:])
    files = zenodo_files([folder])
    import_zenodo(files, store, ReadOptions("ttbar", 0.0), 2, progress=lambda *done: print(*done, flush=True))
"""


def test_an_import_goes_on_after_a_kill(files, tmp_path, original, read_files) -> None:
    script, path = tmp_path / "script.py", tmp_path / "store"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(files[0].parent), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1 12")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.5)
    finished = path.exists()
    import_zenodo(files, path, OPTIONS, workers=1)
    assert finished or len(read_files) < 12
    assert (path / "features.npy").read_bytes() == (original.path / "features.npy").read_bytes()
    assert not list(tmp_path.glob(".store*"))
