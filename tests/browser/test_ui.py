"""The links that `mlpf-hpo ui` prints open the intended view, with the intended trials and curves."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from tests.browser.pages import wait_for_charts, wait_for_figure
from tests.browser.store import CHAMPION, EPOCHS, MACHINES, SEARCHED
from tests.test_cli import run

TRIALS = sum(MACHINES.values())


def test_the_address_that_was_asked_for_is_printed(ui) -> None:
    port = ui.base.rpartition(":")[2]
    assert f"MLflow at {ui.base} (--host 127.0.0.1 --port {port}" in ui.printed
    assert ":5000" not in ui.printed


def test_a_port_in_use_is_told(ui, tmp_path: Path) -> None:
    port = ui.base.rpartition(":")[2]
    told = run("ui", "--port", port, folder=tmp_path)
    assert told.returncode == 1
    assert f"port {port} on 127.0.0.1: Address already in use; choose another with --port" in told.stderr
    assert "Traceback" not in told.stderr


def test_curves_of_all_trials(ui, open_tab) -> None:
    tab = open_tab(ui.link("campaign-c0ffee", "curves"))
    tab.page.get_by_text(f"{TRIALS} matching runs").wait_for()
    wait_for_charts(tab, 2, TRIALS)
    tab.shoot("curves")
    assert not tab.errors


def test_trials_by_machine(ui, open_tab) -> None:
    tab = open_tab(ui.link("campaign-c0ffee", "by machine"))
    tab.page.get_by_text("Group by: hardware_label").wait_for()
    wait_for_charts(tab, 1, len(MACHINES))
    tab.shoot("machines")
    for label, n in MACHINES.items():
        row = tab.page.get_by_role("row").filter(has_text=f"Group: {label}").first
        assert str(n) in row.inner_text().split()
    assert not tab.errors


def test_parallel_coordinates_of_the_best_ten(ui, open_tab) -> None:
    link = ui.link("campaign-c0ffee", "best 10")
    assert json.loads(unquote(link).split("runs=")[1].split("&")[0]) == ui.store.best[:10]
    tab = open_tab(link)
    tab.page.get_by_text("Comparing 10 Runs from 1 Experiment").wait_for()
    tab.page.wait_for_function(
        "() => { const plot = document.querySelector('.js-plotly-plot');"
        " return plot && plot.data && plot.data[0].type === 'parcoords'"
        " && plot.data[0].dimensions.every(d => d.values.length === 10) }"
    )
    tab.shoot("best")
    assert not tab.errors


def test_searches_are_compared_by_the_best_so_far(ui, open_tab) -> None:
    tab = open_tab(ui.link("newest searches of the same 3 configurations", "best so far"))
    tab.page.get_by_text("2 matching runs").wait_for()
    for curve in wait_for_charts(tab, 1, 2):
        assert curve["x"][-1] == SEARCHED * EPOCHS, "the step is the number of epochs spent"
        assert curve["y"] == sorted(curve["y"], reverse=True)
    tab.shoot("searches")
    assert not tab.errors


def test_the_figures_of_a_campaign(ui, open_tab) -> None:
    for what in ("all curves (figure)", "all machines (figure)"):
        wait_for_figure(open_tab(ui.link("campaign-c0ffee", what)))


def test_the_champion_and_its_data_set(ui, open_tab) -> None:
    tab = open_tab(ui.link(f"{CHAMPION}@champion", "model"))
    tab.page.get_by_text("campaign c0ffee", exact=True).first.wait_for()
    tab.shoot("champion")
    tab = open_tab(ui.link(f"{CHAMPION}@champion", "data set, run"))
    assert ui.store.champion_run in tab.page.url
    tab.page.get_by_text("c0ffee00").first.wait_for()
    assert not tab.errors


def test_a_trial_leads_to_the_record_of_its_own_machine(ui, open_tab) -> None:
    for label in MACHINES:
        run_id = next(run for run, machine in ui.store.machine_of.items() if machine == label)
        tab = open_tab(f"{ui.base}/#/experiments/1/runs/{run_id}")
        record = tab.page.get_by_role("link", name=label, exact=True).first
        record.wait_for()
        if label == "box-a":
            tab.shoot("trial")
        with tab.page.expect_popup() as popup:
            record.click()
        popup.value.get_by_text(f"CPU of {label}").first.wait_for()
        assert not tab.errors


def test_the_note_above_the_runs_leads_on(ui, open_tab) -> None:
    tab = open_tab(f"{ui.base}/#/experiments/1/runs?workflowType=machine_learning")
    link = tab.page.get_by_role("link", name="by machine").first
    link.wait_for()
    with tab.page.expect_popup() as popup:
        link.click()
    popup.value.get_by_text("Group by: hardware_label").wait_for()
