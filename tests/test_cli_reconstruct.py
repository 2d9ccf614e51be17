"""`mlpf-hpo reconstruct` on the command line: a table that is read back without this package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from mlpf_hpo.cli.app import main
from mlpf_hpo.errors import StorageError
from mlpf_hpo.evaluation.particle_table import particle_table, write_particles
from mlpf_hpo.events.datamodule import EventDataset
from mlpf_hpo.events.schema import CLASSES
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.networks.trained_network import load_network
from tests.test_cli import _event, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with events numbered 7, 8, 9 in a store, and a network trained on them by `mlpf-hpo train`."""
    folder = tmp_path_factory.mktemp("reconstruct")
    generator = np.random.default_rng(0)
    for name in ("train", "validation"):
        write_store(folder / "events" / name, [_event(generator, 7 + i) for i in range(3)], {"made": name})
    (folder / "params.yaml").write_text("seed: 1\n")
    options = ["--events", "events", "--out", "one", "--output-dim", "8", "--bin-size", "8", "--epochs", "1"]
    trained = run("train", *options, folder=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


def test_the_table_holds_what_the_network_says(folder: Path) -> None:
    result = run("reconstruct", "events/train", "--model", "one", "--out", "out/p.parquet", folder=folder)
    assert result.returncode == 0, result.stderr
    table = pd.read_parquet(folder / "out" / "p.parquet")
    assert f"{len(table)} particles of 3 ttbar events" in result.stdout
    store, trained = EventStore.open(folder / "events" / "train"), load_network(folder / "one")
    lines = []
    for data, number in zip(EventDataset(store), (7, 8, 9), strict=True):  # one by one, not in batches
        with torch.no_grad():
            output = trained.network.eval()(data.x, torch.tensor([0, len(data.x)]))
        for element, pid in enumerate(output.logits.argmax(dim=1).tolist()):
            if pid:
                momentum = [float(part[element]) for part in (output.pt, output.eta, output.energy)]
                lines.append([number, element, CLASSES[pid], *momentum])
    assert len(lines) == len(table) > 0
    named = ["event", "element", "class", "pt", "eta", "energy"]
    for line, (_, found) in zip(lines, table[named].iterrows(), strict=True):
        assert found.tolist()[:3] == line[:3]
        assert found.tolist()[3:] == pytest.approx(line[3:], rel=1e-4, abs=1e-5)
    about = json.loads(pq.read_schema(folder / "out" / "p.parquet").metadata[b"mlpf_hpo.reconstruction"])
    assert (about["trial_key"], about["events_digest"]) == (trained.trial_key, store.digest)


def test_charges_are_whole_and_none_is_no_particle(folder: Path) -> None:
    store = EventStore.open(folder / "events" / "train")
    rows = np.zeros((36, 7))
    rows[:8, 0] = [1, 1, 2, 3, 4, 5, 0, 1]
    rows[:8, 1] = [0.9, -0.1, -0.7, 0.6, -1.2, 0.0, 1.0, np.nextafter(0, -1)]
    table = particle_table(store, rows).to_pandas()
    assert table["element"].tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert table["charge"].tolist() == [1, -1, 0, 0, -1, 1, -1]
    assert table["class"].tolist()[2:5] == ["neutral hadron", "photon", "electron"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "--model", "one", "--out", "p.parquet"], "none: no event store"),
        (["events/train", "--out", "p.parquet"], "no runs are tracked here yet: run `make repro`"),
        (["events/train", "--model", "two", "--out", "p.parquet"], "two: no such checkpoint"),
        (["events/train", "--model", "one", "--out", "events"], "events: cannot be written"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    folder: Path, monkeypatch, capfd, arguments: list[str], message: str
) -> None:
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "argv", ["mlpf-hpo", "reconstruct", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    output = capfd.readouterr().err
    assert (end.value.code, message in output) == (1, True), output
    assert "Traceback" not in output
    assert sorted(folder.rglob("*")) == before


def test_a_table_is_written_whole_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    store = EventStore.open(folder / "events" / "train")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"p\.parquet: cannot be written"):
        write_particles(tmp_path / "file" / "p.parquet", particle_table(store, np.ones((36, 7))), {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
