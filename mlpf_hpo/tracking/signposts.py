"""Signposts: saved views, an experiment's note, and the links that lead to what there is to see.

A note's first line stands above the table of runs, where the UI shows nothing else of use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mlflow import MlflowClient

from mlpf_hpo.tracking import links
from mlpf_hpo.tracking.overview import KINDS, Work, champions, work_on_record
from mlpf_hpo.tracking.ranking import best_trials
from mlpf_hpo.tracking.views import save_policies_view, save_views
from mlpf_hpo.tracking.writer import NOTE

NEWEST = 5
"""So many campaigns, and policies' searches, have their links shown."""

BEST = 10
"""Trials in a link to parallel coordinates."""


@dataclass(frozen=True)
class Signpost:
    """What there is to see of something.

    Attributes
    ----------
    name : str
        Name of a parent run, or of what else it is.
    links : tuple of (what, link)
        In the order of interest.
    """

    name: str
    links: tuple[tuple[str, str], ...]


def put_up(client: MlflowClient, kind: str, first: Collection[str] = ()) -> list[Signpost]:
    """Save the views of the newest campaigns (or searches) and write their experiment's note.

    Parameters
    ----------
    client : MlflowClient
        From `connect`.
    kind : str
        "campaign" or "search".
    first : collection of str
        Parent runs of most interest: the note begins with them, and only they are returned.

    Returns
    -------
    list of Signpost
        Of a search, the comparison of its policies comes first.
    """
    found = sorted(work_on_record(client, kind), key=lambda work: work.run_id not in first)[:NEWEST]
    if not found:
        return []
    experiment_id = found[0].experiment_id
    general = []
    if kind == "search":
        save_policies_view(client, experiment_id)
        link = links.saved_view_link(experiment_id, links.POLICIES_VIEW)
        general.append(Signpost("all searches", (("policies", link),)))
    posts = [_signpost(client, work) for work in found]
    client.set_experiment_tag(experiment_id, NOTE, "\n\n".join(map(_markdown, general + posts)))
    return general + (posts[: len(first)] if first else posts)


def where_to_look(client: MlflowClient) -> str:
    """Put up the signposts of all that is on record and return their links, for people."""
    posts = [post for kind in KINDS for post in put_up(client, kind)]
    for one in champions(client):
        name = f"{one.model}@{one.alias}: {one.predictor}, fitted on {one.source}"
        posts.append(Signpost(name, (("model", one.link), ("data set, run", one.run_link))))
    return listed(posts) if posts else "nothing on record yet: run `make repro`"


def listed(posts: Iterable[Signpost]) -> str:
    """Return links below their headings, for a terminal."""
    return "\n".join(
        "\n".join([f"  {post.name}", *(f"    {what + ':':<14} {link}" for what, link in post.links)])
        for post in posts
    )


def _signpost(client: MlflowClient, work: Work) -> Signpost:
    experiment = work.experiment_id
    save_views(client, experiment, work.campaign_id)
    told = [
        ("curves", links.saved_view_link(experiment, links.curves_view(work.campaign_id))),
        ("by machine", links.saved_view_link(experiment, links.machines_view(work.campaign_id))),
    ]
    best = best_trials(client, work.kind, work.target.metric, BEST, work.campaign_id)
    if len(best) > 1:
        told.append((f"best {len(best)}", links.compare_link(experiment, [trial.run_id for trial in best])))
    return Signpost(work.name, (*told, ("parent run", links.run_link(experiment, work.run_id))))


def _markdown(post: Signpost) -> str:
    """Return a line whose links lead within the UI, wherever it is served."""
    linked = " · ".join(f"[{what}]({links.within(link)})" for what, link in post.links)
    return f"{linked} — {post.name}"
