"""Links into the MLflow UI, kept up to date: saved views, figures, and the note of each experiment.

A note's first line stands above the table of runs, where the UI shows nothing else of use. An address can
filter and sort; only a saved view groups runs by a tag, or draws more than ten of them. See
docs/decisions/0010 for what can break, and how that shows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mlflow import MlflowClient

from mlpf_hpo.errors import StorageError, one_line
from mlpf_hpo.search.search_result import improvements, staircase
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking import links, reader
from mlpf_hpo.tracking.client import nothing_yet
from mlpf_hpo.tracking.epoch_metrics import series
from mlpf_hpo.tracking.mlflow_errors import with_read_errors
from mlpf_hpo.tracking.overview import KINDS, Work, champions, work_on_record
from mlpf_hpo.tracking.parent_figures import THROUGHPUT, figure_links, figures_of, log_figures
from mlpf_hpo.tracking.ranking import best_summaries
from mlpf_hpo.tracking.store_writes import NOTE
from mlpf_hpo.tracking.view_plan import TrialMark, View, search_key, search_view, trial_views
from mlpf_hpo.tracking.writer import RunWriter

log = logging.getLogger(__name__)

NEWEST = 5
"""Number of campaigns, and of schedulers' searches, whose links are kept up to date."""

BEST = 10
"""Trials in a link to parallel coordinates."""

VIEW_TAG = "mlflow.sharedViewState."
"""Begins the tag of an experiment in which the UI's own "Share" button keeps a view."""


@dataclass(frozen=True)
class UiLink:
    """The links of one parent run, comparison or model, each with what it shows, by interest."""

    name: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Found:
    """A campaign or search, and its trials with the metrics that its figures show."""

    work: Work
    trials: list[TrialSummary]
    planned: int


@with_read_errors
def update_links(client: MlflowClient, kind: str, first: Collection[str] = ()) -> list[UiLink]:
    """Update the links of the newest campaigns (or searches).

    That is their views, the figures and the series of their parent runs, and the experiment's note. The note
    begins with the parent runs `first`, and only their links are returned.

    Returns
    -------
    list of UiLink
        Of searches, the comparisons of those that had the same configurations come first.
    """
    newest = sorted(work_on_record(client, kind), key=lambda work: work.run_id not in first)
    found = [_read(client, work) for work in newest[: max(NEWEST, len(first))]]
    if not found:
        return []
    compared = _compared(client, found) if kind == "search" else []
    entries = [_links_of(client, one) for one in found]
    note = "\n\n".join(map(_markdown, compared + entries))
    client.set_experiment_tag(found[0].work.experiment_id, NOTE, note)
    return compared[:1] + entries[: len(first)] if first else compared + entries


@with_read_errors
def links_text(client: MlflowClient) -> str:
    """Update the links of everything on record and return them as text."""
    entries = [entry for kind in KINDS for entry in update_links(client, kind)]
    for one in champions(client):
        name = f"{one.model}@{one.alias}: {one.predictor}, fitted on {one.source}"
        entries.append(UiLink(name, (("model", one.link), ("data set, run", one.run_link))))
    return format_links(entries) if entries else f"nothing on record{nothing_yet()}"


def format_links(entries: Iterable[UiLink]) -> str:
    """Return links below their headings, for a terminal."""
    entries = list(entries)
    width = 1 + max((len(what) for entry in entries for what, _ in entry.links), default=0)
    return "\n".join(
        "\n".join([f"  {entry.name}", *(f"    {what + ':':<{width}} {link}" for what, link in entry.links)])
        for entry in entries
    )


def _read(client: MlflowClient, work: Work) -> _Found:
    trials = reader.trials(client, work.kind, work.campaign_id, metrics=[work.target.metric, THROUGHPUT])
    params = client.get_run(work.run_id).data.params
    return _Found(work, trials, int(params.get("trials") or params.get("configurations") or 0))


def _compared(client: MlflowClient, found: Iterable[_Found]) -> list[UiLink]:
    """Log what each search found for what it spent, and compare those that had the same configurations."""
    writer = RunWriter(client)
    groups: dict[tuple[str, TargetMetric], list[_Found]] = {}
    for one in found:
        points = staircase(improvements(one.trials, one.work.target))
        if points and one.work.finished:
            writer.log_series(one.work.run_id, series(one.work.target), points)
            key = search_key(trial.trial_key for trial in one.trials)
            groups.setdefault((key, one.work.target), []).append(one)
    entries = []
    for (key, target), searches in groups.items():
        view = search_view([one.work.run_id for one in searches], key, target)
        link = _save_view(client, searches[0].work.experiment_id, view)
        name = f"newest searches of the same {len(searches[0].trials)} configurations"
        entries.append(UiLink(name, ((view.label, link),)))
    return entries


def _links_of(client: MlflowClient, found: _Found) -> UiLink:
    work, trials = found.work, found.trials
    experiment = work.experiment_id
    labelled = _figures(client, found) if trials else []
    marks = [TrialMark.of(trial) for trial in trials]
    views = trial_views(work.campaign_id, marks, work.target, found.planned)
    labelled += [(view.label, _save_view(client, experiment, view)) for view in views]
    best = best_summaries(trials, work.target)[:BEST]
    if len(best) > 1:
        labelled.append(
            (f"best {len(best)}", links.compare_link(experiment, [trial.run_id for trial in best]))
        )
    return UiLink(work.name, (*labelled, ("parent run", links.run_link(experiment, work.run_id))))


def _save_view(client: MlflowClient, experiment_id: str, view: View) -> str:
    """Save a view with an experiment and return the link that opens it."""
    client.set_experiment_tag(experiment_id, VIEW_TAG + view.key, json.dumps(view.state))
    return links.saved_view_link(experiment_id, view.key)


def _figures(client: MlflowClient, found: _Found) -> list[tuple[str, str]]:
    """Bring the figures of a parent run up to date and return the links; none where none can be stored."""
    work = found.work
    try:
        log_figures(client, work.run_id, work.name, found.trials, work.target)
    except StorageError:
        raise
    except Exception as error:  # each kind of artifact store raises errors of its own
        log.warning("%s: no figures, as its artifacts cannot be written (%s)", work.name, one_line(error))
        return []
    return figure_links(work.experiment_id, work.run_id, figures_of(found.trials))


def _markdown(entry: UiLink) -> str:
    """Return a line whose links lead within the UI, wherever it is served."""
    linked = " · ".join(f"[{what}]({links.within(link)})" for what, link in entry.links)
    return f"{linked} — {entry.name}"
