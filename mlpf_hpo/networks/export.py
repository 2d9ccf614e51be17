"""A trained network for other programs: as ONNX, and as a program of `torch.export`.

Both take the elements of one event, [N, 12] of any N, and return what `Predictions` has, in plain operations
of PyTorch; the kernels in C stay behind.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlpf_hpo.errors import ConfigurationError, DataError, one_line
from mlpf_hpo.events.schema import N_FEATURES, TOWER, TRACK, TRACK_FEATURES
from mlpf_hpo.files import write_bytes
from mlpf_hpo.mlpf.network import MLPF, Predictions
from mlpf_hpo.mlpf.single_event import SingleEventNetwork, largest_event
from mlpf_hpo.networks.trained_network import TrainedNetwork

_INSTALL = "ONNX needs onnx, onnxscript and onnxruntime: pip install 'mlpf_hpo[onnx]'"

INPUT = "elements"

LARGEST = 20_000
"""Elements of an event that a network without graph layers is exported for; others have their own limit."""

EXAMPLE = 100
"""Elements of the event that the export is traced with; any number serves."""

CHECKED = (1, 2, 31, 32, 33, 100, 1000, 6000)
"""Elements of the events on which both forms are compared, as far as the network takes so many."""

AGREEMENT = 1e-3
"""Differences up to this, relative to 1 or to the value if that is larger, are rounding."""

ENOUGH = 0.9
"""Share of elements that must agree. Not all: where two hash codes tie but for rounding, bins are others."""


@dataclass(frozen=True)
class Agreement:
    """How an exported network compares with PyTorch, on made-up events.

    Attributes
    ----------
    n_elements : int
        Elements compared, in all events.
    share : float
        Those of them whose outputs all agree.
    """

    n_elements: int
    share: float


def about(trained: TrainedNetwork) -> dict[str, str]:
    """Return what an exported file says of its network."""
    largest = largest_event(trained.network) or LARGEST
    return {
        "trial_key": trained.trial_key,
        "epoch": str(trained.epoch),
        "configuration": json.dumps(dict(trained.configuration)),
        "trained_on": json.dumps(trained.trained_on),
        "columns": json.dumps(TRACK_FEATURES),
        "largest_event": str(largest),
    }


def export_program(network: MLPF, path: Path, said: Mapping[str, str]) -> Agreement:
    """Write a network as a program of `torch.export`, with `said` in the file `mlpf_hpo.json` within it.

    Read it by ``torch.export.load(path).module()``.

    Raises
    ------
    DataError
        If it does not do what the network does.
    """
    stream = io.BytesIO()
    torch.export.save(_program(network), stream, extra_files={"mlpf_hpo.json": json.dumps(dict(said))})
    stream.seek(0)
    module = torch.export.load(stream).module()
    agreement = _compared(network, path, lambda x: [one.numpy() for one in module(x)])
    write_bytes(path, stream.getvalue())
    return agreement


def export_onnx(network: MLPF, path: Path, said: Mapping[str, str], opset: int | None = None) -> Agreement:
    """Write a network as ONNX, with `said` as its metadata, after onnxruntime has been compared with PyTorch.

    Parameters
    ----------
    network : MLPF
        The network.
    path : path
        File to write, whole or not at all.
    said : mapping
        What to say of the network.
    opset : int, optional
        Version of ONNX's operators; that of the exporter by default.

    Raises
    ------
    ConfigurationError
        If the extra is not installed, or the opset lacks an operation.
    DataError
        If onnxruntime does not make of it what PyTorch does.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - the exporter needs it
    except ImportError:
        raise ConfigurationError(_INSTALL) from None
    with _quiet():
        try:
            exported = torch.onnx.export(
                _program(network),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=list(Predictions._fields),
                verbose=False,
            )
        except Exception as error:  # it raises errors of many kinds
            raise ConfigurationError(f"--opset {opset}: no ONNX of this network: {one_line(error)}") from None
    if exported is None:
        raise ConfigurationError(f"--opset {opset}: no ONNX of this network")
    model = exported.model_proto
    found = next(one.version for one in model.opset_import if not one.domain)
    if opset is not None and found != opset:
        why = (
            f"lacks an operation of this network, which needs {found}"
            if opset < found
            else f"the exporter does not know it, and wrote {found}"
        )
        raise ConfigurationError(f"--opset {opset}: {why}; leave --opset out")
    onnx.helper.set_model_props(model, dict(said))
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    agreement = _compared(network, path, lambda x: session.run(None, {INPUT: x.numpy()}))
    write_bytes(path, content)
    return agreement


def _program(network: MLPF) -> torch.export.ExportedProgram:
    n = torch.export.Dim("n", min=1, max=largest_event(network) or LARGEST)
    with torch.no_grad(), _quiet():
        module = SingleEventNetwork(network.cpu()).eval()
        return torch.export.export(module, (_made_up(EXAMPLE),), dynamic_shapes=({0: n},))


def _made_up(n: int) -> Tensor:
    """Return the elements of an event of n of them."""
    generator = np.random.default_rng(n)
    x = generator.normal(size=(n, N_FEATURES))
    x[:, 0] = generator.choice([TOWER, TRACK], n)
    return torch.from_numpy(x.astype(np.float32))


@torch.no_grad()
def _compared(network: MLPF, path: Path, exported: Any) -> Agreement:
    largest = largest_event(network) or LARGEST
    agree = n_elements = 0
    for n in (n for n in CHECKED if n <= largest):
        x = _made_up(n)
        good = np.ones(n, dtype=bool)
        for ours, theirs in zip(network(x, torch.tensor([0, n])), exported(x), strict=True):
            expected = ours.numpy().reshape(n, -1)
            apart = np.abs(np.asarray(theirs).reshape(n, -1) - expected) / np.maximum(np.abs(expected), 1.0)
            good &= (apart <= AGREEMENT).all(axis=1)
        agree += int(good.sum())
        n_elements += n
    if agree < ENOUGH * n_elements:
        raise DataError(
            f"{path}: not written: {n_elements - agree} of {n_elements} elements differ from those of PyTorch"
        )
    return Agreement(n_elements, agree / n_elements)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporters report of their work off the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
