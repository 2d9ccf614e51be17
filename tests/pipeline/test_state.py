"""State belongs to the project, and networks to their runs: nothing is lost where a search runs elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlpf_hpo.errors import TrackingError
from mlpf_hpo.files import sha256
from mlpf_hpo.networks.find_network import find_network
from mlpf_hpo.networks.trained_network import load_network
from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect
from tests.clones import ASCII_NAME, Clone

pytestmark = pytest.mark.pipeline

TIMES = ("wall_seconds", "reused")
"""What two searches that find the same differ in."""


@pytest.fixture(scope="module")
def clone(finished, copy) -> Clone:
    return copy(finished, ASCII_NAME)


def uri(clone: Clone) -> str:
    return f"sqlite:///{clone.folder / 'mlflow.db'}"


def searched(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results/search.json").read_text())["schedulers"]


def found(folder: Path) -> list[dict[str, Any]]:
    """Return what each policy found."""
    schedulers = searched(folder).values()
    return [{name: value for name, value in policy.items() if name not in TIMES} for policy in schedulers]


def kept(folder: Path) -> Path:
    (file,) = (folder / "models/best_trial").rglob("*.ckpt")
    return file


@pytest.fixture(scope="module")
def second(clone: Clone, copy) -> Clone:
    """A second checkout on the first one's tracking store, with nothing in its own state."""
    checkout: Clone = copy(clone, ASCII_NAME)
    checkout.environment["MLFLOW_TRACKING_URI"] = uri(clone)
    return checkout


def test_the_best_networks_are_with_their_runs(clone: Clone) -> None:
    client = connect(uri(clone))
    for policy in searched(clone.folder).values():
        best = next(trial for trial in policy["trials"] if trial["run_id"] == policy["best_run_id"])
        folder = clone.folder / ".state/checkpoints" / policy["campaign_id"] / best["trial_key"]
        (newest,) = folder.glob(f"epoch-{len(best['curve']):05d}-*.ckpt")
        tags = client.get_run(best["run_id"]).data.tags
        assert Path(tags["network"]).name == newest.name
        assert tags["network_sha256"] == sha256(newest)


def test_a_second_checkout_has_the_network_from_its_run(clone: Clone, second: Clone) -> None:
    shutil.rmtree(second.folder / ".state")
    before = kept(clone.folder).read_bytes()
    output = second.run("dvc", "repro", "--force", "--single-item", "search")
    assert output.count("(8 trials were on record already)") == 2
    assert "trained again" not in output
    assert kept(second.folder).read_bytes() == before
    assert found(second.folder) == found(clone.folder)


def test_a_network_that_is_gone_everywhere_is_trained_again(
    clone: Clone, second: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri(clone))
    shutil.rmtree(second.folder / ".state")
    client, weights = connect(uri(clone)), load_network(kept(clone.folder)).network.state_dict()
    for policy in searched(clone.folder).values():
        client.set_tag(policy["best_run_id"], "network_sha256", "0" * 64)  # whatever is there, is not it
        with pytest.raises(TrackingError, match=r"is damaged: .* comes again by: dvc repro -f -s search"):
            find_network(policy["best_run_id"], second.folder / ".state")
    output = second.run("dvc", "repro", "-f", "-s", "search")
    assert output.count("it is trained again, for ") == 2
    for policy in searched(clone.folder).values():
        best = next(trial for trial in policy["trials"] if trial["run_id"] == policy["best_run_id"])
        trained, _ = find_network(best["run_id"], tmp_path)
        assert (trained.trial_key, trained.epoch) == (best["trial_key"], len(best["curve"]))
    again = load_network(kept(second.folder)).network.state_dict()
    assert all(value.equal(weights[name]) for name, value in again.items())
    assert found(second.folder) == found(clone.folder), "what is on record stays"


def test_a_temporary_experiment_reuses_the_projects_state(clone: Clone) -> None:
    clone.run("git", "add", "-f", "dvc.lock", "params.yaml")
    clone.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "finished")
    state = clone.folder / ".state/checkpoints"
    before = {folder.name for folder in state.iterdir()}
    output = clone.run("dvc", "exp", "run", "--temp", "-S", "search.predict_every=2", "search")
    assert "(8 trials were on record already)" in output, "those of ASHA"
    assert "trained again" not in output
    (new,) = {folder.name for folder in state.iterdir()} - before
    trials = reader.trials(connect(uri(clone)), "search", new)
    assert {trial.trial_key for trial in trials} == {folder.name for folder in (state / new).iterdir()}
    assert not [path for path in (clone.folder / ".dvc/tmp").rglob(".state") if any(path.iterdir())]
