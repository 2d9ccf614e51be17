"""How machines and clusters are divided among trials, and what does not fit."""

from __future__ import annotations

import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.tuning.settings import ResourceParams
from mlpf_hpo.tuning.shares import Node, Share, share, share_of_nodes
from mlpf_hpo.tuning.task import TaskResources

DDP = TaskResources(threads=2, processes=4)


def test_shares_of_a_machine() -> None:
    assert share(ResourceParams(), TaskResources(), cpus=4, gpus=0).concurrency == 4
    assert share(ResourceParams(), TaskResources(threads=8), cpus=4, gpus=0).concurrency == 1
    assert share(ResourceParams(), TaskResources(), cpus=16, gpus=1) == share(
        ResourceParams(gpus_per_trial=1.0), TaskResources(), cpus=16, gpus=1
    )
    assert share(ResourceParams(gpus_per_trial=0.1), TaskResources(), cpus=16, gpus=1).concurrency == 10
    assert share(ResourceParams(concurrency=3), TaskResources(), cpus=1, gpus=0).concurrency == 3
    assert share(ResourceParams(), DDP, cpus=20, gpus=0) == Share(2, 8, 0.0)
    assert share(ResourceParams(), DDP, cpus=64, gpus=12) == Share(3, 8, 4.0), "a GPU for each process"
    assert share(ResourceParams(gpus_per_trial=2), DDP, cpus=64, gpus=4) == Share(2, 8, 2.0), "or they share"


def test_a_trial_has_no_parts_of_several_gpus() -> None:
    """Ray gives a share of one device: of two GPUs .4 fits four times, although five times .4 is two."""
    assert share(ResourceParams(gpus_per_trial=0.4), TaskResources(), cpus=16, gpus=2).concurrency == 4


def test_each_trial_is_on_one_node() -> None:
    nodes = [Node(6, 0), Node(6, 0), Node(0, 0), Node(17, 0)]
    assert share_of_nodes(ResourceParams(), DDP, nodes) == Share(2, 8, 0.0), "of 29 cores"
    mixed = [Node(8, 1), Node(64, 4)]
    assert share_of_nodes(ResourceParams(gpus_per_trial=0.5), TaskResources(), mixed).concurrency == 10
    assert share_of_nodes(ResourceParams(), DDP, mixed) == Share(1, 8, 4.0)


@pytest.mark.parametrize(
    ("nodes", "resources", "message"),
    [
        ([Node(6, 0), Node(7, 0)], {}, r"8 cores .* and 0 GPUs of one node.*\(6 cores.*; 7 cores"),
        ([Node(6, 0)], {"concurrency": 2}, "no node of the cluster has them"),
        ([Node(4, 8), Node(64, 0)], {}, "8 cores .* and 4 GPUs of one node"),
        ([Node(64, 1)], {"gpus_per_trial": 2.0}, "gpus_per_trial: 2 of 1 GPUs"),
        ([Node(64, 2)], {}, "each of a trial's 4 processes has a GPU, and there are 2"),
        ([], {}, "no node of the cluster"),
    ],
)
def test_what_no_node_has_is_refused(nodes, resources, message) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        share_of_nodes(ResourceParams(**resources), DDP, nodes)
    assert "\n" not in str(refused.value)


def test_gpus_that_a_machine_has_not_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="gpus_per_trial: 1 of 0 GPUs"):
        share(ResourceParams(gpus_per_trial=1.0), TaskResources(), cpus=1, gpus=0)
