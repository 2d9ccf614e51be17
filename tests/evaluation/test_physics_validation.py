"""From a store and a network to a validation result, and the validation result through its file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mlpf_hpo.errors import DataError, MissingInputError
from mlpf_hpo.evaluation.collection import collect
from mlpf_hpo.evaluation.jets import find_jets
from mlpf_hpo.evaluation.met import missing_momentum
from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
from mlpf_hpo.evaluation.reconstruction import reconstruct
from mlpf_hpo.evaluation.validation_result import ESTIMATES, ValidationResult
from mlpf_hpo.events.schema import Event
from mlpf_hpo.events.store import EventStore, write_store
from mlpf_hpo.mlpf.network import MLPF

pytest.importorskip("fastjet")


@pytest.fixture(scope="module")
def events(make_batch: Callable) -> list[Event]:
    out = []
    for number, size in enumerate((12, 0, 30, 21, 17)):
        x, _, y = make_batch([size], seed=number)
        x, y = x.numpy().astype(np.float32), y.numpy().astype(np.float32)
        jets = np.array([[9.0, 0.5, 0.1 * number, 1.0]] * (number % 3), np.float32).reshape(-1, 4)
        out.append(Event(x, y, y[:, :], number, "qcd", 0.0, jets, np.array([number, 1.0], np.float32)))
    return out


@pytest.fixture(scope="module")
def store(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    return write_store(tmp_path_factory.mktemp("validated") / "store", events, {})


@pytest.fixture
def network(make_network: Callable) -> MLPF:
    return make_network(dropout=0.4, dtype=torch.float32)


@pytest.fixture(scope="module")
def validation_result(store: EventStore) -> ValidationResult:
    """The rules against themselves."""
    truth = np.concatenate([event.targets for event in (store[i] for i in range(len(store)))]).astype(float)
    about = {"process": "qcd", "n_events": 5, "pileup": 0.0}
    return validate_reconstruction(collect(store, truth), about, replicas=20)


def test_a_network_reconstructs_event_by_event(store: EventStore, network: MLPF) -> None:
    """Batches change nothing, dropout is off, and columns are those of the targets."""
    table = reconstruct(network, store, batch_events=2)
    assert table == pytest.approx(reconstruct(network, store, batch_events=5), rel=1e-4, abs=1e-5)
    start = 0
    for event in (store[i] for i in range(len(store))):
        with torch.no_grad():
            p = network.eval()(torch.from_numpy(event.features), torch.tensor([0, len(event)]))
        part = table[start : start + len(event)]
        start += len(event)
        assert part[:, 0].tolist() == p.logits.argmax(dim=1).tolist()
        columns = (p.charge, p.pt, p.eta, p.sin_phi, p.cos_phi, p.energy)
        for column, said in zip(part.T[1:], columns, strict=True):
            assert column == pytest.approx(said.numpy(), rel=1e-4, abs=1e-5)
    assert start == len(table)


def test_a_diverged_network_is_refused(store: EventStore, network: MLPF) -> None:
    torch.nn.init.constant_(network.heads.class_head[0].weight, float("nan"))
    with pytest.raises(DataError, match="diverged"):
        reconstruct(network, store)


def test_elements_keep_their_events(store: EventStore, events: list[Event]) -> None:
    sample = collect(store, np.zeros((80, 7)))
    assert sample.event.tolist() == [n for n, event in enumerate(events) for _ in range(len(event))]
    assert sample.jet_event.tolist() == [1, 2, 2, 4]
    assert sample.met.tolist() == [[n, 1.0] for n in range(5)]
    assert sample.is_track.tolist() == [bool(row[0] == 2) for event in events for row in event.features]


def test_a_store_without_candidates_is_refused(tmp_path: Path, events: list[Event]) -> None:
    bare = [Event(**{**vars(event), "candidates": None}) for event in events]
    store = write_store(tmp_path / "bare", bare, {})
    with pytest.raises(DataError, match=r"bare: has no rule-based candidates \(ycand\)"):
        collect(store, np.zeros((80, 7)))


class Published:
    """A store that knows no generator jets."""

    path, manifest = Path("published"), {"has_candidates": True}

    def __init__(self, events: list[Event]) -> None:
        unknown = {"generator_jets": None, "generator_met": None}
        self.events = [Event(**{**vars(event), **unknown}) for event in events]

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, i: int) -> Event:
        return self.events[i]


def test_without_generator_jets_those_of_the_targets_count(
    events: list[Event], validation_result: ValidationResult
) -> None:
    sample = collect(Published(events), np.zeros((80, 7)))  # type: ignore[arg-type]
    perfect = find_jets(sample, sample.truth)
    assert len(perfect.matched_true) == len(sample.jets) > 0
    assert perfect.response == pytest.approx(1.0)
    assert sample.met == pytest.approx(missing_momentum(sample, sample.truth))
    assert (sample.reference, validation_result.about["reference"]) == ("targets", "generator")


def test_the_rules_in_place_of_the_network_are_as_good_as_themselves(
    validation_result: ValidationResult,
) -> None:
    assert len(validation_result.rows) > 300
    for row in validation_result.rows:
        assert row.mlpf == pytest.approx(row.ycand, nan_ok=True)
    (accuracy,) = validation_result.find("accuracy", "element")
    assert accuracy.mlpf.value == 1.0
    assert validation_result.confusion["mlpf"] == validation_result.confusion["ycand"]
    kinds = validation_result.confusion["mlpf"]
    together = np.add(kinds["track"], kinds["tower"])
    assert (together == kinds["all"]).all()
    assert together.sum() == 80


def test_distributions_hold_every_entry(validation_result: ValidationResult) -> None:
    """Also what lies beyond the edges: the counts are those of the table."""
    for name, of in (("photon", "pt photon"), ("muon", "energy muon")):
        (row,) = validation_result.find("pt_median", name)
        assert sum(validation_result.distributions[of]["mlpf"]) == row.n_mlpf > 0
    assert sum(validation_result.distributions["met"]["ycand"]) == 10


def test_a_validation_result_comes_back_from_its_file(
    validation_result: ValidationResult, tmp_path: Path
) -> None:
    validation_result.write(tmp_path)
    again = ValidationResult.read(tmp_path)
    assert (again.about, again.confusion) == (validation_result.about, validation_result.confusion)
    assert again.distributions == validation_result.distributions
    for one, other in zip(validation_result.rows, again.rows, strict=True):
        assert (one.quantity, one.of, one.elements, one.cell) == (
            other.quantity,
            other.of,
            other.elements,
            other.cell,
        )
        for name in ESTIMATES:
            assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True)


def test_the_table_has_a_line_per_number(validation_result: ValidationResult, tmp_path: Path) -> None:
    validation_result.write(tmp_path)
    with (tmp_path / "table.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(validation_result.rows)
    line = next(
        x for x in lines if (x["quantity"], x["of"], x["variable"]) == ("efficiency", "photon", "all")
    )
    assert (float(line["mlpf"]), line["low"], line["high"]) == (1.0, "", "")
    assert float(line["mlpf_low"]) < 1.0
    assert {"ycand", "difference_high", "ratio_low", "n_mlpf", "truth"} <= set(line)


def test_what_is_no_validation_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the stage `physics` makes it"):
        ValidationResult.read(tmp_path)
    (tmp_path / "validation_result.json").write_text(json.dumps({"version": 0}))
    with pytest.raises(DataError, match="not a validation result of version 1"):
        ValidationResult.read(tmp_path)
