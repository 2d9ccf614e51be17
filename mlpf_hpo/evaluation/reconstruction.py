"""A network's particles, as rows like those of the rule-based particle flow."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.loader import DataLoader

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import DataError
from mlpf_hpo.events.datamodule import EventDataset
from mlpf_hpo.events.schema import TARGETS
from mlpf_hpo.events.store import EventStore
from mlpf_hpo.mlpf.network import MLPF, Predictions


@torch.no_grad()
def reconstruct(network: MLPF, store: EventStore, batch_events: int = 8) -> FloatArray:
    """Return the network's particles at all elements of a store, [N, 7], columns as in `TARGETS`.

    Raises
    ------
    DataError
        If they are not all finite numbers: the training has diverged.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    tables = [
        particles(network(batch.x.to(device), batch.ptr.to(device)))
        for batch in DataLoader(EventDataset(store), batch_size=batch_events)
    ]
    table = np.concatenate(tables)
    if not np.isfinite(table).all():
        raise DataError("the network predicts NaN or infinite numbers: its training has diverged")
    return table


def particles(predictions: Predictions) -> FloatArray:
    """Return predictions as rows [N, 7], columns as in `TARGETS`."""
    # The class of NaN scores would be a class like any other: let it be NaN.
    pid = predictions.logits.argmax(dim=1).double() + 0 * predictions.logits.sum(dim=1).double()
    columns = [pid, *(getattr(predictions, name).double() for name in TARGETS[1:])]
    return np.asarray(torch.stack(columns, dim=1).cpu().numpy(), dtype=np.float64)
