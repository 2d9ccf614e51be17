"""Gather the metrics of epochs as they are logged, and keep them in a file of the run when it ends."""

from __future__ import annotations

import logging

from mlflow import MlflowClient
from mlflow.store.tracking.rest_store import RestStore

from mlpf_hpo.tracking.epoch_metrics import is_per_epoch
from mlpf_hpo.tracking.history_file import CHECKSUM, FILE, WORTH, EpochColumns, checksum, columns_of
from mlpf_hpo.tracking.journal_entries import LogMetrics
from mlpf_hpo.tracking.metric_history import metric_histories
from mlpf_hpo.tracking.mlflow_errors import first_line

log = logging.getLogger(__name__)


class HistoryKeeper:
    """Keeps a `history_file` with each run that ends, where MLflow is a server; a database needs none."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self._wanted = isinstance(client._tracking_client.store, RestStore)
        self._logged: dict[str, list[LogMetrics]] = {}

    def add(self, run_id: str, entry: LogMetrics) -> None:
        """Take note of an epoch that is on record now."""
        if self._wanted and entry.epoch:
            self._logged.setdefault(run_id, []).append(entry)

    def keep(self, run_id: str) -> dict[str, str]:
        """Keep the file of a run that ends; return the tags that say so, none where there is no file."""
        if not self._wanted:
            return {}
        columns = columns_of(self._logged.pop(run_id, ()))
        if columns.epochs != tuple(range(1, len(columns.epochs) + 1)) or not columns.epochs:
            columns = self._read_back(run_id)
        if columns.points <= WORTH:
            return {}
        content = columns.to_bytes()
        try:
            self.client.log_text(run_id, content.decode(), FILE)
        except Exception as error:  # every kind of store has errors of its own
            self.client.get_run(run_id)  # raises if MLflow itself is away: then all is tried again
            log.warning("no files are kept with runs, so curves are read slowly: %s", first_line(error))
            self._wanted = False
            return {}
        return {CHECKSUM: checksum(content)}

    def _read_back(self, run_id: str) -> EpochColumns:
        """Return what MLflow has of a run whose epochs another process has logged, or some of them."""
        run = self.client.get_run(run_id)
        names = [name for name in run.data.metrics if is_per_epoch(name)]
        histories = metric_histories(self.client, [run], names)[run_id]
        epochs: dict[int, tuple[int, dict[str, float]]] = {}
        for name, history in histories.items():
            for epoch, value, moment in zip(*history, strict=True):
                epochs.setdefault(epoch, (moment, {}))[1].setdefault(name, value)
        return columns_of(
            LogMetrics(run_id, run_id, epoch, metrics, moment) for epoch, (moment, metrics) in epochs.items()
        )
