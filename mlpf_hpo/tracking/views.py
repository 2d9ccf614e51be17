"""Views saved with an experiment, which the UI opens by a link: what the address alone cannot ask for.

An address can filter and sort; only a saved view groups runs by a tag, or draws more than ten of them. They
are stored where the UI's own "Share" button stores them, as tags of the experiment. docs/decisions/0010 says
what can break, and how one would see it.
"""

from __future__ import annotations

import json
from typing import Any

from mlflow import MlflowClient

from mlpf_hpo.tracking import links

TAG = "mlflow.sharedViewState."

LOSSES = "^(val|train)/loss$"
"""Regular expression of the metrics that are drawn: not the parts of the loss."""


def save_views(client: MlflowClient, experiment_id: str, campaign_id: str) -> None:
    """Save the views of a campaign or search: all its loss curves, and its trials by machine."""
    condition = links.condition_on(campaign_id)
    _save(client, experiment_id, links.curves_view(campaign_id), _curves(condition))
    throughput = _grouped(condition, "hardware_label", charts="throughput")
    _save(client, experiment_id, links.machines_view(campaign_id), throughput)


def save_policies_view(client: MlflowClient, experiment_id: str) -> None:
    """Save a view of a search experiment: the losses of all trials, by the policy that asked for them."""
    losses = _grouped("tags.stage = 'search'", "policy", charts=LOSSES)
    _save(client, experiment_id, links.POLICIES_VIEW, losses)


def _curves(condition: str) -> dict[str, Any]:
    return {
        "searchFilter": f"tags.kind = 'trial' and {condition}",
        "orderByKey": links.LOSS,
        "orderByAsc": True,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": [
            links.LOSS,
            "metrics.`throughput/events_per_second`",
            "tags.`hardware_label`",
            "tags.`trial_status`",
        ],
        "chartsSearchFilter": LOSSES,
    }


def _grouped(condition: str, tag: str, charts: str) -> dict[str, Any]:
    """Return a view that draws groups of equal tags as their average; `charts` says which metrics."""
    return _curves(condition) | {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": tag}],
        },
        "orderByKey": f"tags.`{tag}`",
        "chartsSearchFilter": charts,
    }


def _save(client: MlflowClient, experiment_id: str, key: str, view: dict[str, Any]) -> None:
    client.set_experiment_tag(experiment_id, TAG + key, json.dumps(view))
