"""Sending what earlier processes left in spools."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from mlpf_hpo.errors import StorageError, TrackingError
from mlpf_hpo.project import state_folder
from mlpf_hpo.tracking import spool as spools
from mlpf_hpo.tracking.answers import UnreachableError
from mlpf_hpo.tracking.client import connect, tracking_uri
from mlpf_hpo.tracking.delivery import Delivery
from mlpf_hpo.tracking.operations import summary
from mlpf_hpo.tracking.outbox import refused
from mlpf_hpo.tracking.spool import Spool

log = logging.getLogger(__name__)


def spool_folder() -> Path:
    """Return the project's folder of spools."""
    return state_folder() / spools.SPOOL


def replay_left(client: MlflowClient, folder: Path) -> int:
    """Send what processes that are gone left for this store; return the number of operations.

    Raises
    ------
    TrackingError
        If MLflow stops answering, or refused something: that is kept beside the spool.
    """
    delivery, sent = Delivery(client), 0
    for spool in spools.left_spools(folder, delivery.uri):
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

    No login is kept in a file: that of the address in MLFLOW_TRACKING_URI is used where it leads there.

    Raises
    ------
    TrackingError
        If an address cannot be reached, or refused something.
    """
    tracking_uri()  # takes note of the login
    for address in sorted({address for address, _ in spools.contents(folder).values()}):
        sent = replay_left(connect(address), folder)
        yield f"{address}: {sent} operations sent"


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
