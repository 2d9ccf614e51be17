"""Trained networks in the Model Registry, as versions of the registered model `mlpf`.

A version holds a checkpoint of ours as it is. Reading one builds nothing but tensors and plain values: it
runs nothing that the file brings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient

from mlpf_hpo.credentials import public_uri
from mlpf_hpo.errors import DataError, MissingInputError, TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.remedies import make_again
from mlpf_hpo.tracking.mlflow_errors import UnreachableError, translate_errors
from mlpf_hpo.tracking.network_artifact import keep_network
from mlpf_hpo.tracking.records import NETWORK
from mlpf_hpo.tracking.versions import (
    CHECKSUM,
    ModelVersion,
    check_model,
    describe_version,
    download,
    get_version_by_reference,
    get_version_by_tag,
)

REGISTER = make_again("register", Path("studies/reference_training"))

AGAIN = f"register one anew with: {REGISTER}"

DESCRIPTION = "Networks that reconstruct particles: `mlpf-hpo physics` and `mlpf-hpo reconstruct` take them."

_REFERENCE = re.compile(rf"(?:models:/)?{NETWORK}(?:@(?P<alias>[A-Za-z0-9_-]+)|/(?P<version>[0-9]{{1,9}}))")


def register_network(
    client: MlflowClient, checkpoint: Path, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Store a checkpoint as a version of `mlpf`, kept with the run of its training.

    A checkpoint that is registered already, and whole, is not registered again. The file's checksum is added
    to the tags.

    Raises
    ------
    UnreachableError
        If MLflow does not answer, so that it can't be known whether it is registered already.
    """
    checksum = sha256(checkpoint)
    version = get_version_by_tag(client, CHECKSUM, checksum, NETWORK)
    with translate_errors(client.tracking_uri):
        if version is None or not _is_whole(client, version):
            version = _new_version(client, checkpoint, run_id, {**tags, CHECKSUM: checksum})
        return client.get_model_version(NETWORK, str(version.version))


def is_reference(text: str) -> bool:
    """Tell whether a text names a version of `mlpf`.

    Examples
    --------
    >>> [is_reference(text) for text in ("mlpf@champion", "models:/mlpf/3", "mlpf", "other@champion")]
    [True, True, False, False]
    """
    return _REFERENCE.fullmatch(text) is not None


def find_network(client: MlflowClient, reference: str) -> ModelVersion:
    """Return the version that a reference names: ``mlpf@ALIAS`` or ``mlpf/VERSION``, also after ``models:/``.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    named = _REFERENCE.fullmatch(reference)
    if named is None:
        raise MissingInputError(f"{reference}: neither {NETWORK}@ALIAS nor {NETWORK}/VERSION")
    version = get_version_by_reference(client, named, NETWORK)
    if version is None:
        raise MissingInputError(
            f"{reference}: the registry at {public_uri(client.tracking_uri)} has no such network; "
            f"`make reference` trains and registers one; where it has done so: {REGISTER}"
        )
    return version


def network_file(version: ModelVersion, uri: str | None = None) -> Path:
    """Return the checkpoint of a version; its content is checked against the checksum on record.

    Raises
    ------
    TrackingError
        If it cannot be had.
    DataError
        If it is damaged.
    """
    files = sorted(download(version, AGAIN, uri).glob("*.ckpt"))
    if len(files) != 1:
        raise TrackingError(
            f"{describe_version(version)}: holds {len(files)} checkpoints instead of one; {AGAIN}"
        )
    check_model(files[0], version.tags.get(CHECKSUM), AGAIN)
    return files[0]


def _is_whole(client: MlflowClient, version: ModelVersion) -> bool:
    try:
        network_file(version, client.tracking_uri)
    except UnreachableError:
        raise
    except (TrackingError, DataError):  # whatever its files suffered, a new version takes its place
        return False
    return True


def _new_version(
    client: MlflowClient, checkpoint: Path, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    if not client.search_registered_models(f"name = '{NETWORK}'"):
        client.create_registered_model(NETWORK, description=DESCRIPTION)
    folder = keep_network(client, run_id, checkpoint)
    source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
    return client.create_model_version(NETWORK, source, run_id, tags=dict(tags))
