"""`NodeReport`: what a node of a cluster says of itself when it is asked whether it can train trials."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.own_package import NAME, package_root
from mlpf_hpo.tuning import ray_trial  # noqa: F401 - what a worker imports
from mlpf_hpo.tuning.cluster_code import package_digest
from mlpf_hpo.tuning.driver_files import DriverFiles
from mlpf_hpo.tuning.files_at_hand import can_move_data, place_on_node
from mlpf_hpo.tuning.task import Task


@dataclass(frozen=True)
class NodeReport:
    """What a process on a node finds.

    Attributes
    ----------
    versions : mapping
        Of the libraries that trainings use; the package itself comes from the driver.
    package, digest : str
        The package as its workers import it: its folder, and a digest of it.
    sees_state, sees_data : bool
        Whether it sees the driver's folder of state, and the task's data.
    can_move_data : bool
        Whether the task takes its data from another folder.
    free_bytes : int
        Where copies of data would lie.
    """

    versions: Mapping[str, str]
    package: str
    digest: str
    sees_state: bool
    sees_data: bool
    can_move_data: bool
    free_bytes: int

    def problem(self, driver: NodeReport, task: Task, files: DriverFiles) -> str | None:
        """Return why trials cannot run there, and what to do; None if they can."""
        if self.digest != driver.digest:
            return f"its workers import another copy of the package, {self.package}; remove it there"
        missing = [
            f"{name} {version}" for name, version in driver.versions.items() if name not in self.versions
        ]
        if missing:
            return f"lacks {', '.join(missing)}; install the package there, from the same constraints.txt"
        if self.sees_data:
            return None
        if not self.can_move_data:
            return (
                f"does not see {files.data}, the data of {task.name}; put that folder on a file system that "
                "all nodes see, or give the task a method with_data (docs/tasks.md)"
            )
        if self.free_bytes < files.data_bytes:
            return (
                f"lacks room for {size(files.data_bytes)} of data, it has {size(self.free_bytes)}; make room "
                "in Ray's temporary folder there (`ray start --temp-dir`)"
            )
        return None

    def difference(self, driver: NodeReport) -> str:
        """Return which libraries are there in other versions; empty if none is."""
        return ", ".join(
            f"{name} {self.versions[name]} ({version} here)"
            for name, version in driver.versions.items()
            if self.versions.get(name, version) != version
        )


def report_of_node(task: Task, files: DriverFiles) -> NodeReport:
    """Return what this process finds on its node; the task has been loaded there by then."""
    return NodeReport(
        versions={name: version for name, version in describe_host().versions.items() if name != NAME},
        package=str(package_root() / NAME),
        digest=package_digest(),
        sees_state=files.state_is_here(),
        sees_data=files.data_are_here(),
        can_move_data=can_move_data(task),
        free_bytes=shutil.disk_usage(place_on_node()).free,
    )


def size(n_bytes: int) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> size(3_500_000), size(2**31)
    ('3.3 MiB', '2.0 GiB')
    """
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.1f} GiB"
