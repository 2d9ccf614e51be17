"""Plan of the saved views of a campaign's or search's trials: each shows what its label promises.

The UI's page of runs loads the first hundred runs of its order, and draws, groups and averages these alone.
What is larger is split into views of at most so many runs, or sampled; the label says which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mlpf_hpo.search.trial_summary import TrialSummary, has_network
from mlpf_hpo.space import stable_hash
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.epoch_metrics import series

LIMIT = 100
"""Runs that the UI's page of runs loads, as its code says; more only by a click at the list's end."""


@dataclass(frozen=True)
class TrialMark:
    """What a view of trials is planned by.

    Attributes
    ----------
    trial_id, run_id : str
        Position in the stream of configurations, and MLflow run.
    status, hardware_label : str
        What became of it, and where.
    """

    trial_id: str
    run_id: str
    status: str
    hardware_label: str

    @staticmethod
    def of(trial: TrialSummary) -> TrialMark:
        """Return what a view is planned by of a trial on record."""
        return TrialMark(trial.trial_id, trial.run_id, trial.status, trial.hardware_label)


@dataclass(frozen=True)
class View:
    """A view saved with an experiment: its label, its key, and the state that the UI restores."""

    label: str
    key: str
    state: dict[str, Any]


def trial_views(
    campaign_id: str, trials: Sequence[TrialMark], target: TargetMetric, planned: int = 0
) -> list[View]:
    """Return the views of a campaign's or search's trials, in the order of interest.

    Parameters
    ----------
    trials : sequence of TrialMark
        All that are on record.
    target : TargetMetric
        By which they are ordered, best last value first.
    planned : int
        Trials that there will be: one that is under way is split as it will be in the end.
    """
    condition = links.condition_on(campaign_id)
    ordered, n = sorted(trials, key=_position), max(planned, len(trials))
    views = _split("curves", f"curves-{campaign_id}", condition, ordered, target, n)
    for status, found in sorted(Counter(trial.status for trial in trials).items()):
        if not has_network(status):  # the order by loss puts them last
            chosen = [trial for trial in ordered if trial.status == status]
            of_status = f"{condition} and tags.trial_status = '{status}'"
            views += _split(status, f"{status}-{campaign_id}", of_status, chosen, target, found)
    return [*views, _by_machine(campaign_id, condition, ordered, target, n)]


def search_view(runs: Sequence[str], key: str, target: TargetMetric) -> View:
    """Return the view that compares searches: the best value so far against the epochs spent.

    `runs` are their parent runs, newest first; `key` is that of their configurations, see `search_key`.
    """
    compared, metric = runs[:LIMIT], series(target)
    return View(
        "best so far" if len(compared) == len(runs) else f"best so far ({LIMIT} of {len(runs)})",
        key,
        {
            "searchFilter": f"tags.kind = 'search' and {_run_ids(compared)}",
            "orderByKey": f"metrics.`{metric}`",
            "orderByAsc": target.mode == "min",
            "runsHiddenMode": "SHOW_ALL",
            "selectedColumns": [f"metrics.`{metric}`", "metrics.`summary/epochs`", "tags.`scheduler`"],
            "chartsSearchFilter": f"^{re.escape(metric)}$",
        },
    )


def search_key(trial_keys: Iterable[str]) -> str:
    """Return the key of the view that compares the searches of these trials."""
    return f"best-so-far-{stable_hash(sorted(set(trial_keys)), length=8)}"


def _split(
    label: str, key: str, condition: str, trials: Sequence[TrialMark], target: TargetMetric, n: int
) -> list[View]:
    """Return one view of trials that fit a condition, or one of each part of them if they are too many."""
    if n <= LIMIT:
        return [View(label, key, _curves(condition, target))]
    views = []
    for name, one_part, part in _parts(trials):
        first, last = part[0].trial_id, part[-1].trial_id
        span = first if first == last else f"{first}-{last}"
        views.append(View(f"{label} {span}", f"{key}-{name}", _curves(f"{condition} and {one_part}", target)))
    return views


def _parts(trials: Sequence[TrialMark]) -> Iterator[tuple[str, str, Sequence[TrialMark]]]:
    """Yield parts of at most `LIMIT` trials: name, condition, trials.

    Trials with numbers are split by hundreds: such a part takes in the trials that are still to come.
    """
    if all(trial.trial_id[-2:].isdecimal() for trial in trials):
        for hundred, group in groupby(trials, key=lambda trial: trial.trial_id[:-2]):
            yield f"{hundred}00", f"tags.trial_id LIKE '{hundred}__'", list(group)
        return
    for start in range(0, len(trials), LIMIT):
        part = trials[start : start + LIMIT]
        yield str(start), _one_of(part), part


def _by_machine(
    campaign_id: str, condition: str, trials: Sequence[TrialMark], target: TargetMetric, n: int
) -> View:
    """Return the view "Hardware comparison": trials by `hardware_label`, or a sample of them."""
    label = "by machine"
    if n > LIMIT:
        chosen = sample(trials)
        label = f"by machine ({len(chosen)} of {n})"
        condition = _one_of(chosen)
    state = _curves(condition, target) | {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": "hardware_label"}],
        },
        "orderByKey": "tags.`hardware_label`",
        "chartsSearchFilter": "throughput",
    }
    return View(label, f"hardware-comparison-{campaign_id}", state)


def sample(trials: Sequence[TrialMark], n: int = LIMIT) -> list[TrialMark]:
    """Return at most `n` trials, of every machine equally many or all, evenly spread over their ids.

    The same trials give the same sample. Of more machines than `n`, those with the most trials.
    """
    machines: dict[str, list[TrialMark]] = {}
    for trial in sorted(trials, key=_position):
        machines.setdefault(trial.hardware_label, []).append(trial)
    smallest_first = sorted(sorted(machines.values(), key=len, reverse=True)[:n], key=len)
    chosen: list[TrialMark] = []
    for position, group in enumerate(smallest_first):
        share = min(len(group), (n - len(chosen)) // (len(smallest_first) - position))
        chosen += [group[i * len(group) // share] for i in range(share)]
    return chosen


def _position(trial: TrialMark) -> tuple[int, str]:
    """Order trials by number: t999 comes before t1000."""
    return len(trial.trial_id), trial.trial_id


def _one_of(trials: Iterable[TrialMark]) -> str:
    return _run_ids(trial.run_id for trial in trials)


def _run_ids(run_ids: Iterable[str]) -> str:
    return f"attributes.run_id IN ({','.join(repr(run_id) for run_id in run_ids)})"


def _curves(condition: str, target: TargetMetric) -> dict[str, Any]:
    """Return the state of a view that draws the losses of the trials that fit a condition, best first."""
    column = f"metrics.`{target.metric}`"
    name = re.escape(target.metric.rpartition("/")[2])
    return {
        "searchFilter": f"tags.kind = 'trial' and {condition}",
        "orderByKey": column,
        "orderByAsc": target.mode == "min",
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": [
            column,
            "metrics.`throughput/events_per_second`",
            "tags.`hardware_label`",
            "tags.`trial_status`",
        ],
        "chartsSearchFilter": f"^(val|train)/{name}$",
    }
