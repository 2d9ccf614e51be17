"""Views saved with an experiment, which the UI opens by a link: what the address alone cannot ask for.

An address can filter and sort; only a saved view groups runs by a tag, or draws more than ten of them. They
are stored where the UI's own "Share" button stores them, as tags of the experiment. See docs/decisions/0010
for what can break, and how that shows.
"""

from __future__ import annotations

import json

from mlflow import MlflowClient

from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.view_plan import View

TAG = "mlflow.sharedViewState."


def save_view(client: MlflowClient, experiment_id: str, view: View) -> str:
    """Save a view with an experiment and return the link that opens it."""
    client.set_experiment_tag(experiment_id, TAG + view.key, json.dumps(view.state))
    return links.saved_view_link(experiment_id, view.key)
