"""Read TensorBoard's event files: scalars, and the hyperparameters of its HParams plugin.

An event file is a list of records: length, checksum of the length, content, checksum of the content; the
content is a message of protocol buffers. A file whose process was killed ends within a record.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpf_hpo.curves.readers.folders import chosen, folder_name, run_folders
from mlpf_hpo.curves.readers.lightning_csv import saved_hyperparameters
from mlpf_hpo.curves.readers.recorded import Query, RecordedTraining, RecordedTrainings, choose_metric
from mlpf_hpo.errors import ConfigurationError, DataError, one_line

LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")

MASK_DELTA = 0xA282EAD8
"""TensorFlow stores a checksum rotated and with this added to it."""

HPARAMS = "hparams"
"""Name of the plugin."""

ENDS = {1: "finished", 2: "failed"}
"""Status in the end of a session, which says more than that it is unknown or runs."""

FLOAT, DOUBLE = 1, 2
"""Types of a tensor's values."""

SCALARS = {FLOAT: struct.Struct("<f"), DOUBLE: struct.Struct("<d")}


@dataclass
class _Run:
    """What the event files of one folder hold."""

    points: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    status: str = "unknown"


def read_tensorboard(where: str, query: Query) -> RecordedTrainings:
    """Return the runs below a folder: each folder with event files is one.

    The hyperparameters of a run are those of its own event files, or of folders in it, where PyTorch's
    `add_hparams` puts them, or of the folder around it, where Keras's callbacks do; or Lightning's
    `hparams.yaml`. Event files of one folder are read in the order of their names, which begin with when they
    were made.
    """
    root = Path(where)
    runs = {folder: _read_run(folder) for folder in run_folders(where, "tensorboard", None)}
    counts = Counter(name for run in runs.values() for name in run.points)
    metric = choose_metric(counts, query.metric, where)
    # Other folders hold hyperparameters, where add_hparams put them.
    having = [folder for folder, run in runs.items() if metric in run.points]
    trainings = [
        RecordedTraining(
            folder_name(folder, root),
            _hyperparameters(folder, runs),
            runs[folder].points[metric],
            runs[folder].status,
        )
        for folder in chosen(having, lambda folder: folder_name(folder, root), query.condition, where)
    ]
    return RecordedTrainings(metric, tuple(trainings))


def _hyperparameters(folder: Path, runs: Mapping[Path, _Run]) -> Mapping[str, Any]:
    near = [folder, *(inner for inner in runs if inner.parent == folder), folder.parent]
    for place in near:
        found = runs[place].hyperparameters if place in runs else {}
        if found or (found := dict(saved_hyperparameters(place))):
            return found
    return {}


def _read_run(folder: Path) -> _Run:
    run = _Run()
    for file in sorted(folder.glob("*.tfevents.*")):
        for event in _events(file):
            for value in event.summary.value:
                _add(run, event.step, value)
    return run


def _add(run: _Run, step: int, value: Any) -> None:
    """Put one value of a summary into its run."""
    kind = value.WhichOneof("value")
    plugin = value.metadata.plugin_data
    if plugin.plugin_name == HPARAMS:
        _add_session(run, plugin.content)
    elif kind == "simple_value":
        run.points[value.tag].append((step, float(value.simple_value)))
    elif kind == "tensor" and value.tensor.dtype in SCALARS and not value.tensor.tensor_shape.dim:
        run.points[value.tag].append((step, _scalar(value.tensor)))


def _scalar(tensor: Any) -> float:
    if tensor.tensor_content:
        return float(SCALARS[tensor.dtype].unpack(tensor.tensor_content)[0])
    return float((tensor.float_val if tensor.dtype == FLOAT else tensor.double_val)[0])


def _add_session(run: _Run, content: bytes) -> None:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    session = HParamsPluginData.FromString(content)
    kind = session.WhichOneof("data")
    if kind == "session_start_info":
        # A map of protocol buffers has no order of its own: that of the names is the same in every process.
        for name, value in sorted(session.session_start_info.hparams.items()):
            run.hyperparameters[name] = getattr(value, value.WhichOneof("kind") or "string_value")
    elif kind == "session_end_info":
        run.status = ENDS.get(session.session_end_info.status, run.status)


def _events(file: Path) -> Iterator[Any]:
    try:
        from google.protobuf.message import DecodeError
        from tensorboardX.proto.event_pb2 import Event
    except ImportError as error:
        raise ConfigurationError(
            f"{file}: event files need tensorboardX: pip install tensorboardX ({one_line(error)})"
        ) from None
    for record in _records(file):
        try:
            yield Event.FromString(record)
        except DecodeError:
            raise DataError(f"{file}: holds a record that is no event of TensorBoard") from None


def _records(file: Path) -> Iterator[bytes]:
    """Yield the records of a file; one that is not complete is the end.

    Raises
    ------
    DataError
        If a length does not have its checksum.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    at, before = 0, LENGTH.size + CHECKSUM.size
    while at + before <= len(content):
        (length,) = LENGTH.unpack_from(content, at)
        (checksum,) = CHECKSUM.unpack_from(content, at + LENGTH.size)
        if checksum != _masked(content[at : at + LENGTH.size]):
            raise DataError(f"{file}: no event file of TensorBoard, or damaged at byte {at}")
        end = at + before + length
        if end + CHECKSUM.size > len(content):
            return
        yield content[at + before : end]
        at = end + CHECKSUM.size


def _masked(content: bytes) -> int:
    from tensorboardX.crc32c import crc32c

    checksum = crc32c(content)
    return ((checksum >> 15 | checksum << 17) + MASK_DELTA) & 0xFFFFFFFF
