"""The comparison with other projects: rows and their order, and what is refused before anything starts."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import optuna
import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import optuna_search
from benchmarks.peers import page as peers_page
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.search.draws import Draw
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.simulator import simulate
from mlpf_hpo.target_metric import TargetMetric

optuna.logging.set_verbosity(optuna.logging.WARNING)


def campaign(n=20, epochs=6, mode="min") -> LearningCurves:
    generator = np.random.default_rng(0)
    rates = 10 ** generator.uniform(-4, -1, n)
    values = np.square(np.log10(rates) + 2.5)[:, np.newaxis] + 2 / np.arange(1, epochs + 1)
    values = values + 0.01 * generator.normal(size=values.shape)
    configurations = [{"lr": float(rate), "width": 8 * (i % 3 + 1)} for i, rate in enumerate(rates)]
    return LearningCurves.from_arrays(
        configurations, values if mode == "min" else -values, TargetMetric("m", mode)
    )


def test_without_pruning_the_epochs_are_those_of_the_simulator() -> None:
    curves = campaign()
    durations = peers.durations_of(curves, seed=3)
    expected = simulate(curves, FullTraining(), 4, durations=durations).rows.tolist()
    assert optuna_search.pruned_rows(curves, durations, optuna.pruners.NopPruner(), 4, budget=999) == expected
    assert (
        optuna_search.pruned_rows(curves, durations, optuna.pruners.NopPruner(), 4, budget=31)
        == expected[:31]
    )


@pytest.mark.parametrize("name", optuna_search.PRUNERS)
def test_pruners_train_good_rows_longer_in_both_modes(name) -> None:
    counts = []
    for mode in ("min", "max"):
        curves = campaign(40, mode=mode)
        durations = peers.durations_of(curves, seed=0)
        rows = optuna_search.pruned_rows(
            curves, durations, optuna_search.make_pruner(name, 6, 3.0), 4, budget=999
        )
        counts.append(np.bincount(rows, minlength=40))
    assert counts[0].tolist() == counts[1].tolist()
    assert counts[0].min() >= 1
    assert counts[0].sum() < 40 * 6
    good = np.argsort(campaign(40).final)[:8]
    assert counts[0][good].mean() > counts[0].mean()


def test_inputs_are_within_0_and_1_and_logarithmic_over_decades() -> None:
    curves = campaign()
    inputs = peers.unit_inputs(curves)
    logs = np.log(curves.configs["lr"].to_numpy())
    assert inputs[:, 0] == pytest.approx((logs - logs.min()) / np.ptp(logs))
    assert sorted(set(inputs[:, 1])) == [0, 0.5, 1]


def test_another_project_gets_the_table_and_costs(tmp_path, monkeypatch) -> None:
    asked = {}

    def run(python, script, file, *arguments):
        asked.update(np.load(file), python=python, script=script, arguments=arguments)
        return "noise\n[2, 0, 2, 1]\n"

    monkeypatch.setattr(peers, "run_peer", run)
    curves = campaign(mode="max")
    pythons = {"syne_tune": tmp_path, "smac": tmp_path / "other"}
    assert peers.search_rows("syne_tune.DyHPO", Draw(5, curves), pythons, budget=3) == [2, 0, 2]
    assert np.array_equal(asked["losses"], -curves.values)
    assert np.array_equal(asked["seconds"], peers.durations_of(curves, 5))
    assert asked["script"] == "syne_tune_search.py"
    assert asked["arguments"] == ("DyHPO", peers.WORKERS, peers.ETA, 5, 3)
    assert asked["python"] == tmp_path
    peers.search_rows("smac.Hyperband", Draw(5, curves), pythons, budget=3)
    assert (asked["python"], asked["script"]) == (tmp_path / "other", "smac_search.py")


def run_main(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", *map(str, arguments)])
    peers.main()


def test_numbers_are_printed_and_added_to_the_file_and_shown_on_a_page(tmp_path, monkeypatch, capsys) -> None:
    curves = campaign(40)
    table = tmp_path / "table.csv"
    header = ["lr", "width", *(f"loss_{epoch}" for epoch in range(6))]
    rows = np.column_stack([curves.configs[["lr", "width"]].to_numpy(), curves.values])
    np.savetxt(table, rows, delimiter=",", header=",".join(header), comments="")
    out = tmp_path / "out.json"
    with monkeypatch.context() as few:
        few.setattr(peers, "FULL_TRAININGS", 1)  # on 8 workers: none is trained in full
        run_main(few, "--table", f"t={table}", "--seeds", 1, "--peers", "optuna.median", "--json", out)
    names = "freeze_thaw,freeze_thaw.prior"
    run_main(monkeypatch, "--table", f"t={table}", "--seeds", 2, "--peers", names, "--json", out)
    found = json.loads(out.read_text())["t"]
    assert found["configurations"] * 6 == found["budget"] <= 120
    assert list(found["peers"]) == ["optuna.median", *names.split(",")], "what was there is kept"
    for name, one in found["peers"].items():
        assert one["seeds"] == (1 if name == "optuna.median" else 2)
        at = [math.inf if epochs is None else epochs for epochs in one["epochs_at"].values()]
        assert 0 <= at[0] <= at[1] <= at[2]
        assert 0 < one["epochs"] <= found["budget"]
    assert found["peers"]["freeze_thaw.prior"]["regret"] < 0.5
    assert "t.optuna.median.regret" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["page", str(out), "--out", str(tmp_path / "peers.md")])
    peers_page.main()
    text = (tmp_path / "peers.md").read_text()
    one = found["peers"]["optuna.median"]
    assert one["epochs"] == 6
    row = ["optuna.median", "1", *["never"] * 3, f"{one['epochs']:.0f}", f"{one['regret']:.3f}"]
    assert f"| {' | '.join(row)} |" in text
    out.write_text("[]")
    with pytest.raises(SystemExit, match=r"^error: .*out.json: not what the benchmark writes"):
        peers_page.main()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "optuna.none"], r"error: --peers: no optuna.none; there are freeze_thaw,"),
        (["--seeds", "0"], r"error: --seeds must be at least 1, found 0"),
        ([], r"error: syne_tune.ASHA needs --folder"),
        (["--peers", "freeze_thaw", "--table", "t=/no.csv"], r"error: .*no.csv"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(arguments, message, monkeypatch) -> None:
    with pytest.raises(SystemExit, match=message):
        run_main(monkeypatch, *arguments)
