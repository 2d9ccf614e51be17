"""Files to a store: in order, over processes, taken up again, bad files named or left out on request."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlpf_hpo.errors import BusyError, ConfigurationError, DataError, MissingInputError, StorageError
from mlpf_hpo.events import importing
from mlpf_hpo.events.importing import import_files
from mlpf_hpo.events.sources import zenodo
from mlpf_hpo.events.sources.zenodo import ZenodoReader, process_of, zenodo_files
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.events.zenodo import write_zenodo
from tests.events.published import content_of, write

OPTIONS = ZenodoReader("ttbar", pileup=0.0)


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
    calls: list[tuple[int, int, str]] = []
    store = import_files(
        files, tmp_path / "store", OPTIONS, workers=1, progress=lambda *done: calls.append(done)
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
    assert [done for done, _, _ in calls] == [*range(1, 13), 12]
    assert "events/s" in calls[0][2]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["files", "original", "store"]  # no part is left


def test_the_files_are_never_replaced_by_their_store(files, tmp_path) -> None:
    folder = files[0].parent
    for out in (folder, files[0]):
        with pytest.raises(DataError, match="is not replaced; name a folder of its own for the store"):
            import_files(files, out, OPTIONS, workers=1)
    assert sorted(folder.iterdir()) == sorted(files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["files", "original"]


def test_an_import_that_read_nothing_leaves_nothing(tmp_path) -> None:
    (tmp_path / "bad.pkl").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"bad\.pkl: "):
        import_files([tmp_path / "bad.pkl"], tmp_path / "store", OPTIONS, workers=1)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.pkl"]


def test_two_processes_make_the_same_bytes(files, tmp_path) -> None:
    one = import_files(files, tmp_path / "one", OPTIONS, workers=1)
    two = import_files(files, tmp_path / "two", OPTIONS, workers=2)
    assert contents(one) == contents(two)


def test_files_come_in_the_order_of_their_numbers(files) -> None:
    assert zenodo_files([files[0].parent]) == files  # 10 after 9
    assert zenodo_files([files[3], files[1]]) == [files[3], files[1]]


def test_the_process_is_in_the_names(files, tmp_path) -> None:
    assert process_of(files) == "ttbar"
    assert process_of([Path("tev14_pythia8_qcd_10_3.pkl.bz2")]) == "qcd"
    with pytest.raises(ConfigurationError, match=r"do not say one process .* --process"):
        process_of([Path("ttbar.pkl.bz2"), Path("qcd.pkl.bz2")])
    nameless = write(tmp_path / "x.pkl.bz2", content_of([2]))
    for others in ([], [Path("ttbar.pkl.bz2")]):
        with pytest.raises(ConfigurationError, match="do not say one process"):
            process_of([*others, nameless])


def test_the_process_is_in_our_own_files_too(files, tmp_path) -> None:
    renamed = tmp_path / "x.pkl.bz2"
    renamed.write_bytes(files[0].read_bytes())
    assert process_of([renamed]) == "ttbar"


def test_a_file_whose_name_says_nothing_is_told_by_what_it_is(files, tmp_path) -> None:
    root = tmp_path / "events.root"
    root.write_bytes(b"root" + bytes(100))
    with pytest.raises(DataError, match=r"events\.root: a ROOT file, not a pickle"):
        process_of([root])
    assert process_of([root, *files], keep_going=True) == "ttbar"


def test_missing_files_are_reported(tmp_path) -> None:
    with pytest.raises(MissingInputError, match=r"nowhere\.pkl\.bz2: no such file"):
        zenodo_files([tmp_path / "nowhere.pkl.bz2"])
    for name in ("a.root", "b.root"):
        (tmp_path / name).write_bytes(b"root" + bytes(100))
    with pytest.raises(
        MissingInputError, match=r"no \*\.pkl\.bz2 or .* in this folder \(it holds a ROOT file: 2\)"
    ):
        zenodo_files([tmp_path])


def test_plain_files_are_read_beside_compressed_ones(files, tmp_path, original) -> None:
    compressors = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}
    for file, (suffix, compress) in zip(files[3:6], compressors.items(), strict=True):
        plain = bz2.decompress(file.read_bytes())
        file.with_name(file.name.removesuffix(".bz2") + suffix).write_bytes(compress(plain))
        file.unlink()
    found = zenodo_files([files[0].parent])
    assert [file.name.partition(".")[0] for file in found] == [file.name.partition(".")[0] for file in files]
    store = import_files(found, tmp_path / "store", OPTIONS, workers=1)
    assert (store.path / "features.npy").read_bytes() == (original.path / "features.npy").read_bytes()


def test_a_decompressed_copy_is_not_counted_twice(files, tmp_path) -> None:
    copy = files[2].with_suffix("")  # x.pkl beside x.pkl.bz2
    copy.write_bytes(bz2.decompress(files[2].read_bytes()))
    found = zenodo_files([files[0].parent])
    assert len(found) == 13
    with pytest.raises(DataError, match="the same content as"):
        import_files(found, tmp_path / "store", OPTIONS, workers=1)
    assert len(import_files(found, tmp_path / "store", OPTIONS, workers=1, keep_going=True)) == 12


def test_the_pileup_is_what_is_known_of_it(files, tmp_path) -> None:
    published = write(tmp_path / "tev14_pythia8_ttbar_0_0.pkl.bz2", content_of([2]))
    unknown = import_files([published], tmp_path / "unknown", ZenodoReader("ttbar"), workers=1)
    assert unknown.manifest["pileup"] is None
    assert unknown[0].pileup is None
    given = import_files([published], tmp_path / "given", ZenodoReader("ttbar", pileup=140.0), workers=1)
    assert given.manifest["pileup"] == 140.0
    ours = import_files(files, tmp_path / "ours", ZenodoReader("ttbar"), workers=1)
    assert ours.manifest["pileup"] == 0.0  # the exported store's
    with pytest.raises(DataError, match=r"ttbar_0_0.*says of itself pileup: 0\.0, and 200\.0 was given"):
        import_files(files, tmp_path / "wrong", ZenodoReader("ttbar", pileup=200.0), workers=1)
    with pytest.raises(DataError, match=r"says of itself process: 'ttbar', and 'qcd' was given"):
        import_files(files, tmp_path / "wrong", ZenodoReader("qcd"), workers=1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_file_ends_the_import_unless_told_to_go_on(files, tmp_path, workers: int) -> None:
    files[2].write_bytes(files[2].read_bytes()[:100])
    files[5].write_bytes(files[4].read_bytes())
    files[7].unlink()
    path = tmp_path / "store"
    with pytest.raises(DataError, match=rf"{files[2].name}: not a whole pickle"):
        import_files(files, path, OPTIONS, workers)
    assert not path.exists()
    store = import_files(files, path, OPTIONS, workers, keep_going=True)
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
        import_files(files, tmp_path / "store", OPTIONS, workers=1, keep_going=True)
    assert not (tmp_path / "store").exists()


def test_a_full_disk_is_no_bad_file(files, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("store: cannot be written: No space left on device")

    monkeypatch.setattr(importing, "write_store", full)
    with pytest.raises(StorageError, match="No space left"):
        import_files(files, tmp_path / "store", OPTIONS, workers=1, keep_going=True)


@pytest.fixture
def read_files(monkeypatch) -> list[str]:
    """Return the names of the files that are read from now on."""
    names: list[str] = []
    read = zenodo.read_zenodo

    def remembered(file: Path, **options):
        names.append(file.name)
        return read(file, **options)

    monkeypatch.setattr(zenodo, "read_zenodo", remembered)
    return names


def test_an_import_goes_on_where_it_stopped(files, tmp_path, read_files, original) -> None:
    def stop_after_seven(done: int, *_: object) -> None:
        if done == 7:
            raise KeyboardInterrupt

    path = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        import_files(files, path, OPTIONS, workers=1, progress=stop_after_seven)
    assert read_files == [file.name for file in files[:7]]
    assert not path.exists()
    read_files.clear()
    store = import_files(files, path, OPTIONS, workers=1)
    assert read_files == [file.name for file in files[7:]]
    assert (path / "features.npy").read_bytes() == (original.path / "features.npy").read_bytes()
    whole = import_files(files, tmp_path / "whole", OPTIONS, workers=1)
    assert store.digest == whole.digest


def test_only_one_process_makes_a_store(files, tmp_path) -> None:
    def import_too(*_: object) -> None:
        with pytest.raises(BusyError, match="store: another process is making this store"):
            import_files(files, tmp_path / "store", OPTIONS, workers=1)

    import_files(files, tmp_path / "store", OPTIONS, workers=1, progress=import_too)


@pytest.fixture
def begun(files, tmp_path, read_files) -> list[Path]:
    """Begin an import that stopped at the last file; return the others."""
    files[-1].write_bytes(b"bad")
    with pytest.raises(DataError):
        import_files(files, tmp_path / "store", OPTIONS, workers=1)
    read_files.clear()
    return files[:-1]


def test_a_file_that_has_changed_is_read_again(begun, tmp_path, read_files) -> None:
    begun[3].write_bytes(bz2.compress(bz2.decompress(begun[3].read_bytes()), 1))  # the same pickle
    import_files(begun, tmp_path / "store", OPTIONS, workers=1).verify()
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
    import_files(begun, tmp_path / "store", OPTIONS, workers=1).verify()
    assert read_files == [begun[1].name]


def test_other_options_read_all_again(begun, tmp_path, read_files) -> None:
    store = import_files(begun, tmp_path / "store", ZenodoReader("ttbar", correct_charge=True), workers=1)
    assert read_files == [file.name for file in begun]
    assert "electric" in store.manifest["settings"]["target_charge"]


SCRIPT = """
import sys
from pathlib import Path
from mlpf_hpo.events.importing import import_files
from mlpf_hpo.events.sources.zenodo import ZenodoReader, zenodo_files

if __name__ == "__main__":
    folder, store = map(Path, sys.argv[1:])
    files = zenodo_files([folder])
    import_files(files, store, ZenodoReader("ttbar", 0.0), 2, progress=lambda *done: print(*done, flush=True))
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
    import_files(files, path, OPTIONS, workers=1)
    assert finished or len(read_files) < 12
    assert (path / "features.npy").read_bytes() == (original.path / "features.npy").read_bytes()
    assert not list(tmp_path.glob(".store*"))
