"""A flipped bit anywhere: an error that names the file, or the content as it was; never other content."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpf_hpo import cli
from mlpf_hpo.config import NetworkParams, Params
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.errors import DataError, MlpfHpoError
from mlpf_hpo.events.store import write_store
from mlpf_hpo.files import sha256, write_record
from mlpf_hpo.mlpf.task import task_of
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.registry.load import load_registered
from mlpf_hpo.registry.registration import register_winner
from mlpf_hpo.space import TABLE_1
from mlpf_hpo.tuning.checkpoints import newest_checkpoint
from mlpf_hpo.workload.benchmark import run_benchmark
from tests.faults.artefacts import ARTEFACTS, curves, events, to_bytes
from tests.faults.champion import Champion, champion

__all__ = ["champion"]


def examples(n: int) -> settings:
    """Return settings for `n` examples that may take their time and share a folder."""
    return settings(max_examples=n, suppress_health_check=[HealthCheck.function_scoped_fixture])


def flip(file: Path, content: bytes, position: int, bit: int) -> None:
    """Write `content` with one bit turned over; the position wraps around."""
    damaged = bytearray(content)
    damaged[position % len(content)] ^= 1 << bit
    file.write_bytes(damaged)


def check_flips(
    file: Path,
    read: Callable[[], bytes],
    place: st.DataObject,
    names: str | None = None,
) -> bool:
    """Flip a bit of a file, read, and put the file back; return whether the damage was noticed."""
    content, before = file.read_bytes(), read()
    position, bit = place.draw(st.integers(0, len(content) - 1)), place.draw(st.integers(0, 7))
    flip(file, content, position, bit)
    try:
        after = read()
    except MlpfHpoError as error:
        assert (names or file.name) in str(error)  # noqa: PT017 - most flips are noticed, some change nothing
        return True
    finally:
        file.write_bytes(content)
    assert after == before
    return False


@pytest.mark.parametrize("name", ["events", "curves", "a stage's record"])
def test_any_flipped_bit(name: str, tmp_path: Path, measured) -> None:
    artefact, noticed = ARTEFACTS[name], []
    if name == "curves":
        write_curves(curves(), tmp_path / "curves.parquet")
    else:
        artefact.write(tmp_path, 1)
    files = sorted(
        file
        for file in tmp_path.rglob("*")
        if file.suffix in (".npy", ".json", ".parquet") and "card" not in file.name
    )

    @examples(150)
    @given(st.data())
    def check(place: st.DataObject) -> None:
        noticed.append(
            check_flips(place.draw(st.sampled_from(files)), lambda: artefact.read(tmp_path), place)
        )

    check()
    assert sum(noticed) > len(noticed) / 2
    measured(
        "damage",
        f"a bit flipped anywhere in {name} ({len(noticed)} places)",
        f"{sum(noticed)} refused with the file's name and how to make it again; the others changed nothing "
        "that is read",
    )


@pytest.mark.faults
def test_every_byte_of_a_curves_table(tmp_path: Path, measured) -> None:
    file = tmp_path / "curves.parquet"
    write_curves(curves(3, 2), file)
    content, before = file.read_bytes(), to_bytes(read_curves(file))
    noticed = 0
    for position in range(len(content)):
        flip(file, content, position, position % 8)
        try:
            assert to_bytes(read_curves(file)) == before
        except DataError as error:
            noticed += 1
            assert "curves.parquet" in str(error)  # noqa: PT017
    measured(
        "damage",
        f"each of the {len(content)} bytes of a small curves table damaged in turn",
        f"{noticed} refused with the file's name; {len(content) - noticed} in places that no reader uses "
        "left the same curves",
    )


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, measured) -> None:
    checkpoint = ARTEFACTS["checkpoint"]
    checkpoint.write(tmp_path, 1)
    first = checkpoint.read(tmp_path)
    checkpoint.write(tmp_path, 2)
    newest = newest_checkpoint(tmp_path / "trial")
    assert newest is not None
    content, tried = newest.path.read_bytes(), []

    @examples(100)
    @given(st.integers(0, len(content) - 1), st.integers(0, 7))
    def check(position: int, bit: int) -> None:
        flip(newest.path, content, position, bit)
        assert checkpoint.read(tmp_path) == first
        tried.append(position)

    check()
    measured(
        "damage",
        f"a bit flipped in the newest checkpoint ({len(tried)} places)",
        "the one before it was used, every time",
    )


def test_no_training_on_damaged_events(tmp_path: Path, monkeypatch, capsys, measured) -> None:
    for name in ("train", "validation"):
        write_store(tmp_path / "events" / name, events(4), {})
    file = tmp_path / "events/train/targets.npy"
    flip(file, file.read_bytes(), -1, 3)
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("seed: 1\n")
    with pytest.raises(DataError, match=r"targets\.npy: damaged.*dvc repro -f -s events"):
        task_of(Params(), tmp_path / "events")
    sizes = {"copies": 1, "threads": 1, "events_per_thread": 2, "epochs": 2, "batch_size": 2}
    with pytest.raises(DataError, match=r"targets\.npy: damaged"):
        run_benchmark(tmp_path / "events/train", tmp_path / "out", network=NetworkParams(), **sizes)
    monkeypatch.setattr(sys, "argv", ["mlpf-hpo", "train", "--events", "events", "--out", "out"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "targets.npy: damaged" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    measured(
        "damage",
        "one bit of the training events flipped",
        "campaign, search, benchmark and `mlpf-hpo train` refuse to begin and name the file",
    )


def test_a_damaged_model_file_is_not_registered(champion: Champion, tmp_path: Path, measured) -> None:
    models, record = tmp_path / "models", tmp_path / "predictors.json"
    models.mkdir()
    file = models / "svr.skops"
    shutil.copy(champion.file, file)
    write_record(record, {"winner": "svr", "models": {"svr": sha256(file)}})
    content, tried = file.read_bytes(), []

    @examples(50)
    @given(st.integers(0, len(content) - 1), st.integers(0, 7))
    def check(position: int, bit: int) -> None:
        flip(file, content, position, bit)
        with pytest.raises(DataError, match=r"svr\.skops: damaged: its checksum.*dvc repro -f -s predictors"):
            register_winner(PredictorsParams(), 42, TABLE_1, "champion", record, models, tmp_path / "none")
        tried.append(position)

    check()
    measured(
        "damage",
        f"a bit flipped in a model file ({len(tried)} places)",
        "the stage `register` refuses it by name, before it is loaded",
    )


def test_a_damaged_champion_is_not_used(champion: Champion, measured) -> None:
    noticed = []

    def predictions() -> bytes:
        predictor, _ = load_registered(champion.reference, champion.uri)
        return bytes(predictor.predict(champion.frame).tobytes())

    @examples(40)
    @given(st.data())
    def check(place: st.DataObject) -> None:
        file = place.draw(st.sampled_from([champion.file, champion.file.parent / "MLmodel"]))
        noticed.append(check_flips(file, predictions, place, names=f"{champion.model} version"))

    check()
    assert any(noticed)
    measured(
        "damage",
        f"a bit flipped in the files of the registered champion ({len(noticed)} places)",
        f"{sum(noticed)} refused naming model and version; the others left every prediction the same, bit "
        "for bit",
    )
