"""Links into the MLflow UI: runs, saved views, comparisons, artifacts, registered models."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from urllib.parse import quote

from mlpf_hpo.credentials import public_uri

LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` serves the interface of a local database."""

WORKSPACE = "workflowType=machine_learning"
"""Without it the UI opens beside its tools for language models."""


def base_url() -> str:
    """Return the address of the tracking server without a login, or the one that `make ui` serves."""
    uri = public_uri(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return uri.rstrip("/") if uri.startswith("http") else LOCAL


def relocated(text: str, base: str) -> str:
    """Return a text with its links changed to another address of the same server."""
    return text.replace(base_url(), base)


def within(link: str) -> str:
    """Return a link for a page of the UI itself: it holds wherever the server listens."""
    return link[link.index("#/") :]


def saved_view_link(experiment_id: str, key: str, *, charts: bool = True) -> str:
    """Return a link to a view saved with an experiment, as charts or as a table."""
    mode = {"compareRunsMode": "CHART"} if charts else {}
    return _runs_link(experiment_id, **mode, viewStateShareKey=key)


def compare_link(experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return a link to the parallel coordinates of a few runs."""
    runs = quote(json.dumps(list(run_ids)), safe="")
    experiments = quote(json.dumps([experiment_id]), safe="")
    return f"{base_url()}/#/compare-runs?runs={runs}&experiments={experiments}&{WORKSPACE}"


def experiment_link(experiment_id: str) -> str:
    """Return a link to the table of an experiment's runs."""
    return _runs_link(experiment_id)


def run_link(experiment_id: str, run_id: str) -> str:
    """Return a link to one run."""
    return f"{_run(experiment_id, run_id)}?{WORKSPACE}"


def artifact_link(experiment_id: str, run_id: str, path: str) -> str:
    """Return a link to a file of a run."""
    return f"{_run(experiment_id, run_id)}/artifacts/{quote(path)}?{WORKSPACE}"


def model_link(name: str, version: str | int) -> str:
    """Return a link to a version of a registered model."""
    return f"{base_url()}/#/models/{quote(name)}/versions/{version}"


def condition_on(campaign_id: str) -> str:
    """Return the search condition for the trials of a campaign or search."""
    return f"tags.campaign_id = '{campaign_id}'"


def _run(experiment_id: str, run_id: str) -> str:
    return f"{base_url()}/#/experiments/{experiment_id}/runs/{run_id}"


def _runs_link(experiment_id: str, **query: str) -> str:
    options = "".join(f"&{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{base_url()}/#/experiments/{experiment_id}/runs?{WORKSPACE}{options}"
