"""A run that comes back out of MLflow's trash: its trial counts once, in every reader, by one rule."""

from __future__ import annotations

import pytest

from mlpf_hpo.tracking import overview, reader, run_lookup, ui_links
from mlpf_hpo.tracking.duplicate_runs import by_preference, counted_once
from mlpf_hpo.tracking.ranking import best_trials


@pytest.fixture
def lived(writer, open_trial):
    """Return a function that trains a trial for some epochs and ends it so."""

    def live(losses: list[float], status: str, key: str = "deadbeef") -> str:
        run_id = open_trial(key)
        for epoch, loss in enumerate(losses, start=1):
            writer.log_epoch(run_id, epoch, {"val/loss": loss})
        writer.close(run_id, status)
        return run_id

    return live


@pytest.fixture
def in_every_reader(writer, open_trial):
    """Return a function that returns the run of the trial by each reader, and the statuses counted."""

    def ask(key: str) -> tuple[set[str], dict[str, int]]:
        client, campaign_id = writer.client, open_trial.campaign_id
        (read,) = reader.trials(client, "campaign", campaign_id)
        (best,) = best_trials(client, "campaign", campaign_id=campaign_id)
        (found,) = run_lookup.find_runs(client, key)
        (also,) = run_lookup.runs_of_trial(client, key)
        work = [one for one in overview.work_on_record(client, "campaign") if one.campaign_id == campaign_id]
        assert len(work) == 1
        opened = open_trial(key)
        client.set_terminated(opened)
        return {read.run_id, best.run_id, found.run_id, also.run_id, opened}, work[0].trials

    return ask


@pytest.mark.parametrize(
    ("before", "after", "restored_counts", "status"),
    [
        (([3.0, 2.0, 1.0], "killed"), ([3.0, 2.0], "finished"), True, "killed"),
        (([3.0, 2.0], "finished"), ([3.0, 2.0], "failed"), True, "finished"),
        (([3.0, 2.0], "failed"), ([3.0, 2.0], "stopped"), False, "stopped"),
        (([3.0, 2.0], "finished"), ([3.0, 2.0], "finished"), False, "finished"),
    ],
    ids=["most-epochs", "finished-by-itself", "ended-by-itself", "newest"],
)
def test_a_restored_run(
    writer, lived, in_every_reader, request, before, after, restored_counts: bool, status: str
) -> None:
    key = request.node.callspec.id.encode().hex()[:16]
    first = lived(*before, key)
    writer.client.delete_run(first)
    second = lived(*after, key)
    assert second != first
    writer.client.restore_run(first)
    runs, counts = in_every_reader(key)
    assert runs == {first if restored_counts else second}
    assert counts == {status: 1}
    # Whoever names a run gets that one.
    for run_id in (first, second):
        assert [run.run_id for run in run_lookup.find_runs(writer.client, run_id)] == [run_id]
        assert [run.run_id for run in reader.trials(writer.client, "campaign", run_ids=[run_id])] == [run_id]


def test_a_restored_parent(writer, open_trial, lived) -> None:
    lived([2.0, 1.0], "finished")
    writer.close(open_trial.parent, "finished")
    writer.client.delete_run(open_trial.parent)
    again = writer.open_parent("campaign", open_trial.campaign_id, "campaign-y", {}, {}, "a note")
    assert again != open_trial.parent
    writer.client.restore_run(open_trial.parent)

    def seen() -> list[overview.Work]:
        found = overview.work_on_record(writer.client, "campaign")
        return [work for work in found if work.campaign_id == open_trial.campaign_id]

    assert [(work.run_id, work.running, work.trials) for work in seen()] == [(again, True, {"finished": 1})]
    writer.close(again, "finished")
    assert [work.run_id for work in seen()] == [again]
    assert writer.open_parent("campaign", open_trial.campaign_id, "z", {}, {}, "") == again
    (post,) = ui_links.update_links(writer.client, "campaign", first=[again])
    assert post.name == "campaign-y"


def test_the_order_of_runs_does_not_matter(writer, open_trial, lived) -> None:
    client, runs = writer.client, []
    for losses, status in (([1.0], "finished"), ([2.0, 1.0], "killed"), ([2.0], "killed"), ([], "failed")):
        runs.append(lived(losses, status))
        client.delete_run(runs[-1])
    other = lived([1.0], "finished", "0ther")
    for run_id in runs:
        client.restore_run(run_id)
    found = [client.get_run(run_id) for run_id in [*runs, other]]
    for ordered in (found, found[::-1]):
        same = [run for run in ordered if run.info.run_id != other]
        assert [run.info.run_id for run in by_preference(same)] == [runs[n] for n in (1, 0, 2, 3)]
        assert {run.info.run_id for run in counted_once(ordered)} == {runs[1], other}
