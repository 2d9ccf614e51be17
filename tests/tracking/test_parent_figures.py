"""Figures of a parent run show every trial, and are drawn again only when there is something else to show."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from mlpf_hpo.plotting import BLUE, GREEN, GREY, RED
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.target_metric import VALIDATION_LOSS
from mlpf_hpo.tracking import reader, ui_links
from mlpf_hpo.tracking.parent_figures import (
    CURVES,
    MACHINES,
    curves_figure,
    log_figures,
    machines_figure,
    rates_by_machine,
)

NAN, INF = float("nan"), float("inf")


def trial(number: int, losses: list[float], status: str = "finished", machine: str = "a") -> TrialSummary:
    """Return a trial whose throughput is 10, 20, ... events/s, its number times as much."""
    rates = tuple(10.0 * number * epoch for epoch in range(1, len(losses) + 1))
    return TrialSummary(
        trial_id=f"t{number:03d}",
        trial_key=f"k{number}",
        run_id=f"r{number}",
        configuration={},
        seed=0,
        status=status,
        metrics={"val/loss": tuple(losses), "throughput/events_per_second": rates},
        hardware_label=machine,
    )


def drawn(figure) -> dict[str, list[np.ndarray]]:
    """Return the curves by colour: no crosses, no entries of the legend."""
    out: dict[str, list[np.ndarray]] = {}
    for line in figure.axes[0].lines:
        if line.get_marker() == "None" and len(line.get_xdata()):
            out.setdefault(mpl.colors.to_hex(line.get_color()), []).append(line.get_ydata())
    return out


def test_every_trial_of_three_hundred_is_drawn() -> None:
    trials = [trial(i, [9.0, 5.0, 4.0 + i / 301]) for i in range(270)]
    trials += [trial(i, [9.0, [NAN, INF][i % 2]], "diverged", "b") for i in range(270, 300)]
    trials += [
        trial(300, [9.0, 1e30], "diverged", "b"),
        trial(301, [NAN], "diverged"),
        trial(302, [7.0], "stopped"),
    ]
    figure = curves_figure("campaign-x", trials, VALIDATION_LOSS)
    lines = drawn(figure)
    assert {colour: len(found) for colour, found in lines.items()} == {BLUE: 270, RED: 32, GREY: 1}
    ends = sorted(values[-1] for values in lines[BLUE])
    assert ends == [4.0 + i / 301 for i in range(270)]
    (axis,) = figure.axes
    assert axis.get_title() == "campaign-x: 303 trials, 1 without a finite value, 1 leave the frame"
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == ["270 finished", "1 stopped", "32 diverged"]
    crosses = [line for line in axis.lines if line.get_marker() == "x"]
    assert len(crosses) == 31, "one for each that diverged after a finite value"
    low, high = axis.get_ylim()
    assert 9.0 <= high <= 27.0, "what diverged does not set the scale"
    assert 0 < low <= 4.0


def test_a_spike_of_one_trial_does_not_set_the_scale() -> None:
    trials = [trial(i, [650.0 - i, 600.0 - i, 580.0 - i]) for i in range(47)]
    figure = curves_figure("campaign-x", [*trials, trial(47, [5600.0, 610.0, 570.0])], VALIDATION_LOSS)
    (axis,) = figure.axes
    low, high = axis.get_ylim()
    assert low <= 534.0
    assert 650.0 <= high < 700.0
    assert axis.get_title() == "campaign-x: 48 trials, 1 leave the frame"


@pytest.mark.parametrize(
    "trials",
    [
        [trial(0, [NAN], "diverged")],
        [trial(0, [], "running")],
        [trial(0, [-3.0, 2.0]), trial(1, [-INF], "diverged")],
        [trial(0, [2.0, 2.0])],
        [trial(0, [4.0, 3.0], "diverged")],
    ],
)
def test_whatever_there_is_can_be_drawn(trials: list[TrialSummary], tmp_path: Path) -> None:
    figure = curves_figure("x", trials, VALIDATION_LOSS)
    figure.savefig(tmp_path / "figure.png")
    low, high = figure.axes[0].get_ylim()
    assert np.isfinite([low, high]).all()
    assert low < high


def test_trials_under_way_have_a_colour_of_their_own() -> None:
    assert list(drawn(curves_figure("x", [trial(0, [3.0, 2.0], "running")], VALIDATION_LOSS))) == [GREEN]


def test_every_machine_is_there_with_all_its_trials() -> None:
    trials = [trial(i, [1.0] * 3, machine="box-a" if i <= 200 else "box-b") for i in range(1, 302)]
    (axis,) = machines_figure("x", rates_by_machine(trials)).axes
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert labels == ["box-a: 200\ntrials", "box-b: 101\ntrials"]
    rates = [np.sort(np.asarray(points.get_offsets())[:, 1]) for points in axis.collections]
    np.testing.assert_array_equal(rates[0], 20.0 * np.arange(1, 201))
    np.testing.assert_array_equal(rates[1], 20.0 * np.arange(201, 302))


def test_artifacts_that_cannot_be_written_cost_the_figures_alone(
    writer, open_trial, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    run = open_trial()
    writer.log_epoch(run, 1, {"val/loss": 2.0})
    writer.close(run, "finished")

    def refused(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Unable to locate credentials")

    monkeypatch.setattr(type(writer.client), "log_figure", refused)
    (post,) = ui_links.update_links(writer.client, "campaign", first=[open_trial.parent])
    assert [what for what, _ in post.links] == ["curves", "by machine", "parent run"]
    assert "its artifacts cannot be written (RuntimeError: Unable to locate credentials)" in caplog.text


def test_figures_are_logged_when_the_trials_have_changed(writer, open_trial) -> None:
    for key, number in (("a", 0), ("b", 1)):
        run = open_trial(key, f"t{number:03d}")
        writer.log_epoch(run, 1, {"val/loss": 2.0, "throughput/events_per_second": 5.0})
        writer.close(run, "finished")
        ui_links.update_links(writer.client, "campaign", first=[open_trial.parent])
        stored = {file.path for file in writer.client.list_artifacts(open_trial.parent, "figures")}
        assert stored == {CURVES, MACHINES}
    tag = writer.client.get_run(open_trial.parent).data.tags["figures_of"]
    store = writer.client.get_run(open_trial.parent).info.artifact_uri.removeprefix("file://")
    folder = Path(store) / "figures"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    trials = reader.trials(writer.client, "campaign", open_trial.campaign_id)
    log_figures(writer.client, open_trial.parent, "x", trials, VALIDATION_LOSS)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    log_figures(writer.client, open_trial.parent, "x", trials[:1], VALIDATION_LOSS)
    assert writer.client.get_run(open_trial.parent).data.tags["figures_of"] != tag
    assert all(path.stat().st_mtime_ns > before[path.name] for path in folder.iterdir())
