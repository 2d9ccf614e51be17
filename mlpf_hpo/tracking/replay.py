"""Sending what earlier processes left in spools."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.project import state_folder
from mlpf_hpo.tracking import spool as spools
from mlpf_hpo.tracking.client import connect, is_there, tracking_uri
from mlpf_hpo.tracking.delivery import Delivery
from mlpf_hpo.tracking.mlflow_errors import UnreachableError
from mlpf_hpo.tracking.operations import summary
from mlpf_hpo.tracking.outbox import refused
from mlpf_hpo.tracking.spool import Spool
from mlpf_hpo.tracking.storage import SQLITE, database_file

log = logging.getLogger(__name__)


def spool_folder() -> Path:
    """Return the project's folder of spools."""
    return state_folder() / spools.SPOOL


def replay_left(client: MlflowClient, folder: Path, former: str | None = None) -> int:
    """Send what processes that are gone left for this store, or at its former address; return how much.

    Raises
    ------
    TrackingError
        If MLflow stops answering, or refused something: that is kept beside the spool.
    """
    delivery, sent = Delivery(client), 0
    for spool in spools.left_spools(folder, delivery.uri, former):
        sent += _replay(spool, delivery)
    return sent


def show(folder: Path) -> Iterator[str]:
    """Yield a line for each file of a folder that holds something: what, for whom, what to do."""
    for path, (address, operations) in spools.contents(folder).items():
        yield f"{path}: {summary(operations)} for {address}; send with: mlpf-hpo spool replay"
    for path in sorted(folder.glob("*.refused")):
        n = len(path.read_bytes().splitlines())
        yield f"{path}: {n} operation(s) that MLflow refused, with the reason; move the file away when solved"


def replay_all(folder: Path) -> Iterator[str]:
    """Send everything that a folder holds, each file to where it belongs; yield a line for each address.

    No login is kept in a file: that of the address in MLFLOW_TRACKING_URI is used where it leads there. What
    waits for a database that is gone goes to the current one: the project was moved.

    Raises
    ------
    TrackingError
        If an address cannot be reached, refused something, or is the database of another folder.
    """
    current = tracking_uri()  # and takes note of the login
    for address in sorted({address for address, _ in spools.contents(folder).values()}):
        uri = _destination(address, current, folder)
        sent = replay_left(connect(uri), folder, former=address)
        yield f"{uri}: {sent} operations sent"


def _destination(address: str, current: str, folder: Path) -> str:
    """Return where that goes which waits for an address; a copy of a project never writes to the original."""
    if address == current or not address.startswith(SQLITE):
        return address
    if folder.resolve().is_relative_to(database_file(address).parent):
        return address
    if is_there(address):
        raise TrackingError(
            f"{folder}: what waits there is for {address}, which belongs to another folder than {current}; "
            f"send it there with: MLFLOW_TRACKING_URI={address} mlpf-hpo spool replay"
        )
    return current


def _replay(spool: Spool, delivery: Delivery) -> int:
    sent, refusals = 0, []
    for operation in spool.operations():
        try:
            delivery.perform(operation, again=True)
        except (UnreachableError, StorageError):
            raise
        except TrackingError as error:
            spool.set_aside(operation, str(error))
            refusals.append(error)
        sent += 1
    delivery.remove_twins()
    spool.clear()
    if refusals:
        raise refused(refusals, spool)
    if sent:
        log.warning("%d operations that waited in %s are now in MLflow", sent, spool.path)
    return sent
