"""`Machine`: what the process that trains a trial says of the machine that it is on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpf_hpo.hardware.host import describe_host
from mlpf_hpo.tuning.task import Task, task_tags


@dataclass(frozen=True)
class Machine:
    """The machine that trains a trial; it reaches the driver with every epoch.

    Attributes
    ----------
    record : mapping
        All that is known of it, see `HostInfo.record`.
    tags : mapping
        Tags of runs that it trains: of the machine, and of the task on this machine.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> here = Machine.here(SimpleNamespace(tags={"simulator": "2.1"}))
    >>> here.tags["simulator"], Machine.from_json(here.to_json()) == here
    ('2.1', True)
    """

    record: Mapping[str, Any]
    tags: Mapping[str, str]

    @classmethod
    def here(cls, task: Task) -> Machine:
        """Return the machine of this process."""
        host = describe_host()
        return cls(_plain(host.record()), {**host.tags(), **task_tags(task)})

    def to_json(self) -> str:
        """Return it as text, which Tune passes on as it is."""
        return json.dumps([self.record, self.tags])

    @classmethod
    def from_json(cls, text: str) -> Machine:
        """Return what `to_json` wrote."""
        return cls(*json.loads(text))

    def as_known(self, record: Mapping[str, Any]) -> Machine:
        """Return it with another process's record of the same machine: thread pools are a process's own."""
        known, own = _plain(record), dict(self.record)
        same = {**known, "threads": None} == {**own, "threads": None}
        return Machine(known, self.tags) if same else self


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as JSON gives it back."""
    return dict(json.loads(json.dumps(record)))
