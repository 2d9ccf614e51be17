"""The network of a trial as an artifact of its run: it can be had wherever the tracking server is reached.

A run says by its tags which of its files is the network, and what its content is; so what is lost or damaged
is distinguished from what was never kept.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import TrackingError
from mlpf_hpo.files import sha256, write_bytes
from mlpf_hpo.tracking.mlflow_errors import first_line, translate_errors

Client: TypeAlias = MlflowClient
"""For modules that pass a client on and import no MLflow."""

ARTIFACTS = "network"
"""Path of checkpoints below a run's artifacts: a folder each, as they may be of several epochs."""

PLACE, CHECKSUM = "network", "network_sha256"
"""Tags of a run: the artifact path of its network, and the checksum of the file."""


def keep_network(client: MlflowClient, run_id: str, checkpoint: Path) -> str:
    """Store a checkpoint with the run of its training, unless it is there and whole; return its folder there.

    Raises
    ------
    TrackingError
        If MLflow, or where it keeps files, does not take it.
    """
    folder = f"{ARTIFACTS}/{checkpoint.stem}"
    tags = {PLACE: f"{folder}/{checkpoint.name}", CHECKSUM: sha256(checkpoint)}
    with translate_errors(client.tracking_uri):
        run = client.get_run(run_id)
    if any(run.data.tags.get(name) != value for name, value in tags.items()) or not _is_whole(client, run):
        try:
            client.log_artifact(run_id, str(checkpoint), folder)
        except Exception as error:  # every kind of store has errors of its own
            raise TrackingError(
                f"{public_uri(run.info.artifact_uri)} takes no files: {first_line(error)}"
            ) from None
        with translate_errors(client.tracking_uri):
            client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    return folder


def kept_name(client: MlflowClient, run_id: str) -> str | None:
    """Return the file name of the network that is kept with a run; None if none is."""
    with translate_errors(client.tracking_uri):
        place = client.get_run(run_id).data.tags.get(PLACE)
    return place and Path(place).name


def fetch_network(client: MlflowClient, run_id: str, folder: Path) -> Path:
    """Bring the network that is kept with a run into a folder, and return the file.

    Raises
    ------
    TrackingError
        If none is kept; if its file is gone, damaged, or cannot be had: the message says which.
    StorageError
        If the folder cannot be written to.
    """
    with translate_errors(client.tracking_uri):
        run = client.get_run(run_id)
    content = _content(client, run)
    file = folder / Path(run.data.tags[PLACE]).name
    write_bytes(file, content)
    return file


def _is_whole(client: MlflowClient, run: Run) -> bool:
    try:
        _content(client, run)
    except TrackingError:  # whatever happened to the file, it is written again
        return False
    return True


def _content(client: MlflowClient, run: Run) -> bytes:
    tags, uri = run.data.tags, public_uri(run.info.artifact_uri)
    if not {PLACE, CHECKSUM} <= set(tags):
        raise TrackingError(f"run {run.info.run_id}: no network is kept with it")
    what = f"run {run.info.run_id}: its network, {tags[PLACE]} below {uri},"
    content = _file(client, run.info.run_id, tags[PLACE], what)
    if content is None:
        raise TrackingError(f"{what} is gone")
    if hashlib.sha256(content).hexdigest() != tags[CHECKSUM]:
        raise TrackingError(f"{what} is damaged: its checksum is not the one on record")
    return content


def _file(client: MlflowClient, run_id: str, place: str, what: str) -> bytes | None:
    """Return the content of a run's file, None if there is none: stores differ in their errors."""
    try:
        if place not in {file.path for file in client.list_artifacts(run_id, str(Path(place).parent))}:
            return None
        with TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, place, folder)).read_bytes()
    except Exception as error:  # every kind of store has errors of its own
        raise TrackingError(f"{what} cannot be had: {first_line(error)}") from None
