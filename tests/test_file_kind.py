"""Kinds of files, recognised in real ones that their own libraries wrote."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
import torch

from mlpf_hpo.config import load_params
from mlpf_hpo.curves.dataset import read_curves
from mlpf_hpo.curves.readers.csv_table import read_table
from mlpf_hpo.errors import ConfigurationError, DataError, MlpfHpoError
from mlpf_hpo.file_kind import compression, file_kind
from mlpf_hpo.tuning.checkpoints import read_checkpoint
from tests.test_cli import run


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(__file__)


def _sqlite(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("create table t (x)")
    database.close()


def _compressed(module: object) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(module.compress(b"lr,loss_0"))  # type: ignore[attr-defined]


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle": (lambda path: path.write_bytes(pickle.dumps([1])), "a Python pickle"),
    "bz2": (_compressed(bz2), "a bz2-compressed file"),
    "gzip": (_compressed(gzip), "a gzip-compressed file"),
    "xz": (_compressed(lzma), "an xz-compressed file"),
    "npy": (lambda path: np.save(path.open("wb"), np.zeros(3)), "a NumPy array (.npy)"),
    "npz": (lambda path: np.savez(path.open("wb"), x=np.zeros(3)), "a zip archive"),
    "checkpoint": (lambda path: torch.save({"x": torch.zeros(1)}, path), "a zip archive"),
    "zip": (_zip, "a zip archive"),
    "tar": (_tar, "a tar archive"),
    "Parquet": (lambda path: pd.DataFrame({"x": [1]}).to_parquet(path), "a Parquet file"),
    "Feather": (lambda path: pd.DataFrame({"x": [1]}).to_feather(path), "an Arrow file"),
    "SQLite": (_sqlite, "a SQLite database"),
    "PNG": (lambda path: matplotlib.figure.Figure().savefig(path.open("wb"), format="png"), "a PNG picture"),
    "PDF": (lambda path: matplotlib.figure.Figure().savefig(path.open("wb"), format="pdf"), "a PDF file"),
    "ROOT": (lambda path: path.write_bytes(b"root\x00\x00\xf2\x9e" + bytes(80)), "a ROOT file"),
    "HepMC": (lambda path: path.write_text("HepMC::Version 3.02.05\n"), "a HepMC file"),
    "LHE": (lambda path: path.write_text('<LesHouchesEvents version="3.0">\n'), "a Les Houches event file"),
    "HTML": (lambda path: path.write_text("\n<!DOCTYPE html>\n<html>"), "an HTML page"),
    "XML": (lambda path: path.write_text('<?xml version="1.0"?>'), "an XML file"),
    "JSON": (lambda path: path.write_text('{"a": 1}'), "a JSON file"),
    "CSV": (lambda path: path.write_text(pd.DataFrame({"lr": [1e-3]}).to_csv()), "a text file"),
    "accents": (lambda path: path.write_text("é" * 600, encoding="utf-8"), "a text file"),
    "binary": (lambda path: path.write_bytes(bytes(range(256))), "a binary file of an unknown kind"),
    "empty": (lambda path: path.write_bytes(b""), "an empty file"),
    "folder": (Path.mkdir, "a folder"),
    "nothing": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_told_by_its_content(tmp_path: Path, name: str) -> None:
    make, kind = FILES[name]
    path = tmp_path / "events.pkl.bz2"  # whatever it is called
    make(path)
    assert file_kind(path).startswith(kind)
    assert compression(path) == (name if name in ("bz2", "gzip", "xz") else "")


@pytest.mark.parametrize("name", ["ROOT", "pickle", "SQLite", "folder", "HTML"])
@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (read_table, "not a CSV table"),
        (load_params, "not a parameter file"),
        (read_checkpoint, "not a checkpoint of ours"),
    ],
)
def test_a_file_in_place_of_another_is_told_by_what_it_is(
    tmp_path: Path, read: Callable[[Path], object], wanted: str, name: str
) -> None:
    make, kind = FILES[name]
    path = tmp_path / "file"
    make(path)
    with pytest.raises(MlpfHpoError, match=rf"/file: {kind}, {wanted}") as caught:
        read(path)
    assert isinstance(caught.value, ConfigurationError | DataError)


def test_no_parquet_is_told_by_what_it_is(tmp_path: Path) -> None:
    FILES["ROOT"][0](tmp_path / "curves.parquet")
    with pytest.raises(DataError, match=r"curves\.parquet: a ROOT file, not Parquet"):
        read_curves(tmp_path / "curves.parquet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["events", "import-zenodo", "x.root", "--out", "s"], "x.root: a ROOT file, not a pickle"),
        (["events", "import-zenodo", "x.root", "--process", "tbar", "--out", "s"], "did you mean ttbar?"),
        (["events", "info", "x.root"], "x.root: a ROOT file, not an event store"),
        (["train", "--events", "foreign", "--out", "r"], "mlpf-hpo events import-zenodo foreign/tev14"),
    ],
)
def test_commands_name_it_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    FILES["ROOT"][0](tmp_path / "x.root")
    (tmp_path / "foreign").mkdir()
    FILES["bz2"][0](tmp_path / "foreign" / "tev14_pythia8_ttbar_0_0.pkl.bz2")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    end = run(*arguments, folder=tmp_path)
    assert (end.returncode, end.stdout) == (1, "")
    assert message in end.stderr
    assert end.stderr.count("\n") == 1
