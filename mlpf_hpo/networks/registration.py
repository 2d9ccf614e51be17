"""Register a trained network as a version of the model `mlpf`; load a registered version."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlpf_hpo.errors import DataError, TrackingError
from mlpf_hpo.networks.trained_network import TrainedNetwork, load_network
from mlpf_hpo.tracking import links, run_lookup
from mlpf_hpo.tracking.aliases import challenge, promote, promoted_tag, set_description
from mlpf_hpo.tracking.client import connect
from mlpf_hpo.tracking.network_registry import find_network, network_file, register_network
from mlpf_hpo.tracking.records import TrialRun
from mlpf_hpo.tracking.versions import CHECKSUM, ModelVersion, describe_version, get_version_by_alias


@dataclass(frozen=True)
class Training:
    """Training of a registered network, by its version's tags: events, epochs, last validation loss."""

    events: str
    n_events: int
    epochs: int
    validation_loss: float

    @classmethod
    def of(cls, version: ModelVersion) -> Training:
        """Read a version's tags.

        Raises
        ------
        DataError
            If they do not say it.
        """
        tags = version.tags
        try:
            on = json.loads(tags["trained_on"])
            return cls(on["digest"], int(on["n_events"]), int(tags["epoch"]), float(tags["validation_loss"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{describe_version(version)} does not say what it was trained on ({error})"
            ) from None


def register_network_version(trained: TrainedNetwork, run: TrialRun, alias: str = "champion") -> ModelVersion:
    """Register a trained network as a version of `mlpf`, with its training in the version's tags.

    The alias moves to it where it points at nothing, or at a network that it is better than: one of the same
    events with a higher validation loss, or one of other events that are no more, seen no more often. Else it
    is the challenger. The version's description says why. What is stored is the checkpoint.
    """
    tags = {
        "trial_key": trained.trial_key,
        "epoch": str(trained.epoch),
        "validation_loss": f"{trained.validation_loss:.6g}",
        "configuration": json.dumps(dict(trained.configuration)),
        "trained_on": json.dumps(trained.trained_on),
    }
    client = connect()
    version = register_network(client, trained.path, run.run_id, tags)
    champion = get_version_by_alias(client, alias, version.name)
    promoted, reason = _compare_with_champion(version, champion, alias)
    if promoted:
        promote(client, version, alias, champion)
    else:
        challenge(client, version)
    return set_description(client, version, reason)


def _compare_with_champion(
    version: ModelVersion, champion: ModelVersion | None, alias: str
) -> tuple[bool, str]:
    """Return whether a network takes the champion's place, and why."""
    if champion is None:
        return True, "there was no champion"
    if str(champion.version) == str(version.version):
        return True, version.description or "the alias points at it already"
    if version.tags[CHECKSUM] == champion.tags.get(CHECKSUM):
        return True, f"the same network as version {champion.version}, whose files are not as they were"
    if promoted_tag(alias) in version.tags:
        return False, f"@{alias} was moved by hand to version {champion.version}: it stays there"
    before, by_hand = f"the champion before, version {champion.version},", "to change that, move it by hand"
    ours = Training.of(version)
    try:
        theirs = Training.of(champion)
    except DataError as error:
        return False, f"{error}: it stays; {by_hand}"
    if ours.events == theirs.events:
        better = ours.validation_loss < theirs.validation_loss
        losses = f"validation loss {ours.validation_loss:g} against {theirs.validation_loss:g}"
        return better, f"{before} learnt from the same events: {losses}" + ("" if better else f"; {by_hand}")
    less = ours.n_events < theirs.n_events or ours.epochs < theirs.epochs
    sizes = [f"{one.n_events} events, {one.epochs} epochs" for one in (ours, theirs)]
    reason = f"{before} learnt from other events: {sizes[0]} against {sizes[1]}"
    return not less, reason + (f"; {by_hand}" if less else "")


def describe_registered(version: ModelVersion) -> dict[str, str]:
    """Return name, aliases, reason and link of a registered version, as JSON values."""
    return {
        "name": version.name,
        "version": str(version.version),
        "aliases": ", ".join(f"@{alias}" for alias in version.aliases),
        "reason": version.description or "",
        "run_id": str(version.run_id),
        "trial_key": version.tags["trial_key"],
        "sha256": version.tags[CHECKSUM],
        "link": links.model_link(version.name, version.version),
    }


def find_registered_network(reference: str) -> tuple[TrainedNetwork, TrialRun | None]:
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
        trained = load_network(network_file(version))
    except DataError as error:
        raise TrackingError(f"{describe_version(version)}: {error}") from None
    runs = run_lookup.runs_of_trial(client, trained.trial_key)
    return trained, next((run for run in runs if run.run_id == version.run_id), None)
