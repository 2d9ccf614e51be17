"""The heartbeat of a driver: a tag of the parent run that a thread renews for as long as the process lives.

It goes on while no trial reports anything, and nothing waits for it: a beat that MLflow does not take is left
out. Each beat also looks whether this process still is the one that drives.
"""

from __future__ import annotations

import logging
import threading

from mlflow import MlflowClient
from mlflow.entities import Run

from mlpf_hpo.errors import BusyError, StorageError, TrackingError
from mlpf_hpo.tracking.driver_process import HEARTBEAT, driver_state, heartbeat, is_this_process
from mlpf_hpo.tracking.duplicate_runs import by_preference
from mlpf_hpo.tracking.links import condition_on
from mlpf_hpo.tracking.mlflow_errors import translate_errors

log = logging.getLogger(__name__)

SECONDS = 10.0
"""Between two beats."""

FIRST_SECONDS = 1.0
"""Before the first: two drivers that began at the same moment find each other before they train much."""

JOIN_SECONDS = 2.0
"""How long the end of a heartbeat waits for a request that is under way."""


class Heartbeat:
    """Renews the heartbeat of a campaign's parent run every so many seconds, until it is stopped."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        run_id: str,
        kind: str,
        campaign_id: str,
        seconds: float = SECONDS,
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._run_id = run_id
        self._kind = kind
        self._campaign_id = campaign_id
        self._seconds = seconds
        self._stopped = threading.Event()
        self._rival = ""
        self._thread = threading.Thread(target=self._go_on, name="driver-heartbeat", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Return if this process still is the driver.

        Raises
        ------
        BusyError
            If another process has taken over.
        """
        if self._rival:
            raise BusyError(
                f"{self._kind} {self._campaign_id}: {self._rival} has taken over: this process left no "
                "heartbeat in MLflow for too long, or both began at the same moment. What was trained is on "
                "record; run this again when the other one has ended"
            )

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        self._thread.join(JOIN_SECONDS)

    def beat(self) -> None:
        """Renew the heartbeat once, unless another process has taken over.

        Raises
        ------
        TrackingError, StorageError
            If MLflow does not answer, or refuses.
        """
        with translate_errors(self._client.tracking_uri):
            condition = f"{condition_on(self._campaign_id)} and tags.kind = '{self._kind}'"
            parents = self._client.search_runs([self._experiment_id], condition)
            mine = next((run for run in parents if run.info.run_id == self._run_id), None)
            if mine is None or self._stopped.is_set():  # deleted in MLflow, perhaps to be restored
                return
            self._rival = _rival(mine, parents)
            if self._rival:
                self._stopped.set()
                return
            if mine.info.status != "RUNNING":  # by what an earlier driver had written while MLflow was away
                self._client.update_run(self._run_id, status="RUNNING")
            self._client.set_tag(self._run_id, HEARTBEAT, heartbeat())

    def _go_on(self) -> None:
        seconds = min(FIRST_SECONDS, self._seconds)
        while not self._stopped.wait(seconds):
            seconds = self._seconds
            try:
                self.beat()
            except (TrackingError, StorageError) as error:
                log.debug("no heartbeat: %s", error)


class Heartbeats:
    """The heartbeats of all parents that this process drives, for as long as the `with` block lasts."""

    def __init__(self, client: MlflowClient, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._client = client
        self._beating: dict[str, Heartbeat] = {}

    def begin(self, experiment_id: str, run_id: str, kind: str, campaign_id: str) -> None:
        """Begin to renew the heartbeat of a parent."""
        self.end(run_id)
        one = Heartbeat(self._client, experiment_id, run_id, kind, campaign_id, self.seconds)
        self._beating[run_id] = one

    def check(self) -> None:
        """Return if this process still drives all of them; see `Heartbeat.check`."""
        for one in self._beating.values():
            one.check()

    def end(self, run_id: str) -> None:
        """End the heartbeat of a run, if it has one and this process still drives it."""
        self.check()
        if run_id in self._beating:
            self._beating.pop(run_id).stop()

    def __enter__(self) -> Heartbeats:
        return self

    def __exit__(self, *exception: object) -> None:
        for one in self._beating.values():
            one.stop()


def _rival(mine: Run, parents: list[Run]) -> str:
    """Return the driver that took this run over, or drives another parent of the same, which counts."""
    if not is_this_process(mine.data.tags):
        return driver_state(mine.data.tags).name
    others = [run for run in parents if run.info.status == "RUNNING" and run is not mine]
    alive = [
        run for run in others if not is_this_process(run.data.tags) and driver_state(run.data.tags).alive
    ]
    first = by_preference([mine, *alive])[0]
    return "" if first is mine else driver_state(first.data.tags).name
