"""Records of the machines of a run: one JSON file a machine, an artifact of the parent run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlpf_hpo.space import stable_hash
from mlpf_hpo.tracking import links

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "hosts"
"""Artifacts of a parent run: `hosts/<hardware label>-<hash of the record>.json`."""

LABEL, HOST, HOSTS = "hardware_label", "host", "hosts"
"""Tags of parents and trials: what kind of machine it is, its name, and of trials which machine trained from
which epoch on."""

JOINT = "+"
"""Joins the labels of a trial that was begun on one machine and went on on another."""

JOINED = {LABEL: JOINT, HOST: JOINT, HOSTS: "; "}
"""Tags that a trial has of all machines that it has been on, and what joins them."""


def joined_labels(before: str, now: str, joint: str = JOINT) -> str:
    """Return the label of a trial that goes on: its throughput is that of all machines it has been on.

    Examples
    --------
    >>> joined_labels("a", "b"), joined_labels("a+b", "b"), joined_labels("", "b")
    ('a+b', 'a+b', 'b')
    """
    return joint.join(dict.fromkeys([*filter(None, before.split(joint)), *now.split(joint)]))


def joined_tags(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a trial that goes on, on another machine perhaps.

    Examples
    --------
    >>> joined_tags({"host": "n1", "cpu": "Epyc"}, {"host": "n2", "cpu": "Xeon"})
    {'host': 'n1+n2', 'cpu': 'Xeon'}
    """
    joined = {
        name: joined_labels(before.get(name, ""), now[name], joint)
        for name, joint in JOINED.items()
        if name in now
    }
    return {**now, **joined}


def hosts_tag(record: Mapping[str, Any], epoch: int) -> dict[str, str]:
    """Return the tag that says which machine trains a trial from an epoch on.

    Examples
    --------
    >>> hosts_tag({"hostname": "n1", "hardware_label": "Epyc-2c"}, 5)
    {'hosts': 'n1 (Epyc-2c) from epoch 5'}
    """
    return {HOSTS: f"{record['hostname']} ({record['hardware_label']}) from epoch {epoch}"}


def host_file(record: Mapping[str, Any]) -> str:
    """Return the artifact path of a machine's record: another one for every difference in it."""
    return f"{FOLDER}/{record['hardware_label']}-{stable_hash(dict(record), length=8)}.json"


def log_host(client: MlflowClient, run_id: str, record: Mapping[str, Any]) -> None:
    """Store the record of a machine with a run, beside those of others that worked on it."""
    client.log_dict(run_id, dict(record), host_file(record))


def read_hosts(client: MlflowClient, run_id: str) -> list[dict[str, Any]]:
    """Return the records of all machines that worked on a run, by label."""
    paths = sorted(file.path for file in client.list_artifacts(run_id, FOLDER))
    with TemporaryDirectory() as folder:
        files = [Path(client.download_artifacts(run_id, path, folder)) for path in paths]
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def host_note(experiment_id: str, parent_run_id: str, record: Mapping[str, Any]) -> str:
    """Return a trial's note: its machine in a line, with a link to the machine's record."""
    link = links.within(links.artifact_link(experiment_id, parent_run_id, host_file(record)))
    return f"Trained on [{record['hardware_label']}]({link}): {describe_host_record(record)}."


def describe_host_record(record: Mapping[str, Any]) -> str:
    """Return what a machine is, in a line.

    Examples
    --------
    >>> describe_host_record({"cpu_model": "Epyc", "usable_cpus": 2, "memory_bytes": 8 * 2**30, "gpus": []})
    'Epyc, 2 CPUs usable, 8 GiB, no GPU'
    """
    gpus = record["gpus"]
    accelerators = f"{len(gpus)} x {gpus[0]['name']}, driver {gpus[0]['driver']}" if gpus else "no GPU"
    memory = f"{record['memory_bytes'] / 2**30:.0f} GiB"
    return f"{record['cpu_model']}, {record['usable_cpus']} CPUs usable, {memory}, {accelerators}"


def describe_versions(record: Mapping[str, Any]) -> str:
    """Return what decides on the speed besides the hardware: system, libraries, threads."""
    versions, threads = record["versions"], record["threads"]
    libraries = [f"{name} {versions[name]}" for name in ("python", "torch") if name in versions]
    pools = [f"{n} {pool} threads" for pool, n in threads.items()]
    return ", ".join([record["system"], *libraries, *pools])
