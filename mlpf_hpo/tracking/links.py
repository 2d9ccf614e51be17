"""Links that open the MLflow UI where the interest is: its own landing page shows none of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from urllib.parse import quote

LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` serves the interface of a local database."""


def base_url() -> str:
    """Return the address of the tracking server, or the one that `make ui` serves."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return uri.rstrip("/") if uri.startswith("http") else LOCAL


def curves_link(experiment_id: str, condition: str) -> str:
    """Return a link to the curves of all trials that fit a condition, best last loss first."""
    query = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "orderByKey": "metrics.`val/loss`",
        "orderByAsc": "true",
        "searchFilter": f"tags.kind = 'trial' and {condition}",
    }
    told = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{base_url()}/#/experiments/{experiment_id}/runs?{told}"


def compare_link(experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return a link to the parallel coordinates of a few runs."""
    runs = quote(json.dumps(list(run_ids)), safe="")
    experiments = quote(json.dumps([experiment_id]), safe="")
    return f"{base_url()}/#/compare-runs?runs={runs}&experiments={experiments}"


def experiment_link(experiment_id: str) -> str:
    """Return a link to the table of an experiment's runs."""
    return f"{base_url()}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"


def run_link(experiment_id: str, run_id: str) -> str:
    """Return a link to one run."""
    return f"{base_url()}/#/experiments/{experiment_id}/runs/{run_id}"


def model_link(name: str, version: str | int) -> str:
    """Return a link to a version of a registered model."""
    return f"{base_url()}/#/models/{quote(name)}/versions/{version}"


def campaign_text(experiment_id: str, campaign_id: str, parent_run_id: str, run_ids: Sequence[str]) -> str:
    """Return where to look after a campaign; `make ui` serves these addresses for a local database."""
    return "\n".join(
        [
            f"  curves:       {curves_link(experiment_id, condition_on(campaign_id))}",
            f"  coordinates:  {compare_link(experiment_id, run_ids[:10])}",
            f"  campaign:     {run_link(experiment_id, parent_run_id)}",
        ]
    )


def search_text(experiment_id: str, parent_run_ids: Sequence[str]) -> str:
    """Return where to look after a search."""
    told = [f"  search:       {run_link(experiment_id, run_id)}" for run_id in parent_run_ids]
    condition = "tags.stage = 'search'"
    return "\n".join([*told, f"  curves:       {curves_link(experiment_id, condition)}"])


def condition_on(campaign_id: str) -> str:
    """Return the search condition for the trials of a campaign or search."""
    return f"tags.campaign_id = '{campaign_id}'"
