"""Exported networks: onnxruntime and torch.export against PyTorch, on events of one element to thousands."""

from __future__ import annotations

import copy
import json
import sys

import numpy as np
import pytest
import torch

from mlpf_hpo.errors import ConfigurationError, DataError
from mlpf_hpo.mlpf.network import MLPF, Predictions
from mlpf_hpo.mlpf.single_event import SingleEventNetwork, largest_event
from mlpf_hpo.networks import export
from mlpf_hpo.networks.export import export_onnx, export_program

HEADS = {"class_head": (8,), "charge_head": (8,), "regression_head": (8,)}
SIZES = (1, 2, 7, 8, 9, 16, 17, 300, 6000)


@pytest.fixture(scope="module")
def network() -> MLPF:
    """A network of bins of 8, of which 6,000 elements fill 750."""
    torch.manual_seed(0)
    network = MLPF(1, 1, 0.2, bin_size=8, output_dim=8, embedding_dim=8, hash_columns=375, **HEADS).eval()
    for layer in (*network.id_layers, *network.reg_layers):
        layer.hyperplanes *= 1000  # codes that differ, from an embedding that has learned nothing
    return network


@pytest.fixture(scope="module", autouse=True)
def traced_once(network):
    """Let all tests have one trace, which takes seconds."""
    program = export._program(network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_program", lambda _network: program)
        yield


def event_of(n: int) -> torch.Tensor:
    generator = np.random.default_rng(n)
    x = generator.normal(size=(n, 12)).astype(np.float32)
    x[:, 0] = generator.integers(1, 3, n)
    return torch.from_numpy(x)


def share_that_agrees(network: MLPF, x: torch.Tensor, found) -> float:
    with torch.no_grad():
        expected = network(x, torch.tensor([0, len(x)]))
    good = np.ones(len(x), dtype=bool)
    for ours, theirs in zip(expected, found, strict=True):
        close = np.isclose(np.asarray(theirs), ours.numpy(), rtol=1e-4, atol=1e-4)
        good &= close.reshape(len(x), -1).all(axis=1)
    return float(good.mean())


@pytest.mark.parametrize("n", SIZES)
def test_one_event_alone_has_the_bins_that_it_has_in_a_batch(network, n) -> None:
    with torch.no_grad():
        assert share_that_agrees(network, event_of(n), SingleEventNetwork(network)(event_of(n))) == 1


def test_onnxruntime_says_what_pytorch_says(network, tmp_path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")
    agreement = export_onnx(network, tmp_path / "mlpf.onnx", {"trial_key": "abc"})
    assert agreement.n_elements == sum(export.CHECKED)
    assert agreement.share > 0.99
    session = onnxruntime.InferenceSession(tmp_path / "mlpf.onnx")
    assert session.get_modelmeta().custom_metadata_map == {"trial_key": "abc"}
    (inputs,) = session.get_inputs()
    assert isinstance(inputs.shape[0], str)  # a symbol
    assert [one.name for one in session.get_outputs()] == list(Predictions._fields)
    for n in SIZES:
        found = session.run(None, {inputs.name: event_of(n).numpy()})
        assert share_that_agrees(network, event_of(n), found) > 0.99


def test_the_program_says_what_pytorch_says(network, tmp_path) -> None:
    assert export_program(network, tmp_path / "mlpf.pt2", {"trial_key": "abc"}).share > 0.99
    said = {"mlpf_hpo.json": ""}
    module = torch.export.load(tmp_path / "mlpf.pt2", extra_files=said).module()
    assert json.loads(said["mlpf_hpo.json"]) == {"trial_key": "abc"}
    for n in SIZES:
        with torch.no_grad():
            assert share_that_agrees(network, event_of(n), module(event_of(n))) > 0.99
    with pytest.raises(Exception, match=rf"<= {largest_event(network)}"):  # the network raises a `DataError`
        module(event_of(largest_event(network) + 1))


def test_the_largest_event_is_the_last_that_the_network_takes(network) -> None:
    largest = largest_event(network)
    with torch.no_grad():
        network(event_of(largest), torch.tensor([0, largest]))
        with pytest.raises(DataError, match="hash columns"):
            network(event_of(largest + 1), torch.tensor([0, largest + 1]))


def test_what_does_something_else_is_not_written(network, tmp_path) -> None:
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.heads.pt_head[-1].bias += 5
    with pytest.raises(DataError, match=r"mlpf\.pt2: not written: \d+ of \d+ elements differ"):
        export_program(other, tmp_path / "mlpf.pt2", {})
    assert not (tmp_path / "mlpf.pt2").exists()


def test_an_opset_without_an_operation_is_told(network, tmp_path) -> None:
    pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")
    with pytest.raises(ConfigurationError, match=r"--opset 7: .*"):
        export_onnx(network, tmp_path / "mlpf.onnx", {}, opset=7)
    assert not (tmp_path / "mlpf.onnx").exists()


def test_an_opset_that_nothing_knows_yet_is_told(network, tmp_path) -> None:
    pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")
    with pytest.raises(
        ConfigurationError, match=r"--opset 999: the exporter does not know it, and wrote \d+;"
    ):
        export_onnx(network, tmp_path / "mlpf.onnx", {}, opset=999)
    assert not (tmp_path / "mlpf.onnx").exists()


def test_without_onnx_there_is_the_command(network, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'mlpf_hpo\[onnx\]'"):
        export_onnx(network, tmp_path / "mlpf.onnx", {})
