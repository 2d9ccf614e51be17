"""A trained network becomes a version of the registered model `mlpf`, and is found again."""

from __future__ import annotations

import json

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.tracking import finder, links
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.networks import find_network, network_file, register_network
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tracking.versions import CHECKSUM, ModelVersion, told
from mlpf_hpo.tuning.trained import TrainedTrial, load_trained


def register_trained(trained: TrainedTrial, run: TrialRun, alias: str = "champion") -> ModelVersion:
    """Register a trained network as a version of `mlpf`, with what it is of in the version's tags.

    Parameters
    ----------
    trained : TrainedTrial
        The network; its checkpoint is what is stored.
    run : TrialRun
        Run of its training.
    alias : str
        Alias that moves to the version.
    """
    tags = {
        "trial_key": trained.trial_key,
        "epoch": str(trained.epoch),
        "validation_loss": f"{trained.validation_loss:.6g}",
        "configuration": json.dumps(dict(trained.configuration)),
        "trained_on": json.dumps(trained.trained_on),
    }
    return register_network(connect(), trained.path, run.run_id, tags, alias)


def registered_told(version: ModelVersion) -> dict[str, str]:
    """Return what there is to say of a registered version, JSON values."""
    return {
        "name": version.name,
        "version": str(version.version),
        "run_id": str(version.run_id),
        "trial_key": version.tags["trial_key"],
        "sha256": version.tags[CHECKSUM],
        "link": links.model_link(version.name, version.version),
    }


def find_registered(reference: str) -> tuple[TrainedTrial, TrialRun | None]:
    """Return the network of a registered version, and the run of its training; None if that is gone.

    Raises
    ------
    MissingInputError
        If there is no such version.
    TrackingError
        If its checkpoint cannot be had, or is damaged; the message names the version.
    """
    client = connect(make=False)
    version = find_network(client, reference)
    try:
        trained = load_trained(network_file(version))
    except DataError as error:
        raise TrackingError(f"{told(version)}: {error}") from None
    runs = finder.runs_of_trial(client, trained.trial_key)
    return trained, next((run for run in runs if run.run_id == version.run_id), None)
