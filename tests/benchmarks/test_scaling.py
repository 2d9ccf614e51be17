"""What the benchmark of scaling counts: hand-made searches whose shares are known, and one under Ray."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import scaling, scaling_goals, scaling_page
from benchmarks.recorded_task import RecordedTask, read_spans
from benchmarks.scaling import replayed
from benchmarks.search_trace import costs, idle_seconds
from mlpf_hpo.curves.schema import LearningCurves
from mlpf_hpo.errors import DataError
from mlpf_hpo.search.overheads import Overheads
from mlpf_hpo.search.schedulers.full_training import FullTraining
from mlpf_hpo.search.schedulers.promotion_asha import PromotionASHA
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tuning.task import TrialSpec

TARGET = TargetMetric("val/loss", "min")


def curves_of(n: int, epochs: int) -> LearningCurves:
    losses = [[row + 1 / (epoch + 1) for epoch in range(epochs)] for row in range(n)]
    return LearningCurves.from_arrays([{"lr": 0.1 * (row + 1)} for row in range(n)], losses, TARGET)


def test_idle_is_what_no_trial_was_there_for() -> None:
    # Two workers: the second has nothing from 4 to 5, and from 9 to 10.
    assert idle_seconds([0.0, 0.0, 5.0], [4.0, 10.0, 9.0], workers=2) == 2.0
    assert idle_seconds([0.0], [3.0], workers=4) == 9.0


def test_costs_are_told_apart_by_when_a_worker_was_given() -> None:
    spans = {
        "t0": [(1, 1.0, 2.0), (2, 2.5, 3.5), (3, 9.0, 10.0)],
        "t1": [(1, 3.0, 4.0)],
    }
    found = costs(spans, [(0.0, "t0"), (0.0, "t1"), (7.0, "t0")])
    assert (found.start, found.resume, found.report) == (2.0, 2.0, 0.5)


def test_shares_of_a_simulated_search_are_those_by_hand() -> None:
    """Three trials of two epochs of 1 s on two workers, each epoch reported for .5 s after a start of 1 s."""
    found = replayed(curves_of(3, 2), FullTraining(), 2, np.ones((3, 2)), Overheads(start=1.0, report=0.5))
    assert found["makespan"] == 8.0
    assert (found["training"], found["overhead"], found["idle"]) == (6 / 16, 6 / 16, 4 / 16)
    assert (found["epochs"], found["resumes"]) == (6, 0)


def test_fewer_workers_reload_as_much_or_more() -> None:
    curves = curves_of(27, 9)
    found = {
        workers: replayed(
            curves, PromotionASHA(max_epochs=9), workers, np.ones((27, 9)), Overheads(resume=1.0)
        )
        for workers in (1, 27)
    }
    assert found[1]["resumes"] > 0
    assert found[1]["epochs"] == found[1]["work"]


def test_a_recorded_trial_goes_on_where_it_stopped(tmp_path) -> None:
    task = RecordedTask("val/loss", np.arange(6.0).reshape(2, 3), np.full((2, 3), 0.01))
    spec = TrialSpec("t001", {"lr": 0.1}, 0, task)
    reports = []
    task.train(spec, 2, tmp_path, reports.append)
    first = read_spans(tmp_path)
    assert task.train(spec, 3, tmp_path, reports.append).epochs == 3
    assert [report.metrics["val/loss"] for report in reports] == [3.0, 4.0, 3.0, 4.0, 5.0]
    spans = read_spans(tmp_path)
    assert spans[:2] == first
    assert [epoch for epoch, _, _ in spans] == [1, 2, 3]
    assert all(end - begin >= 0.01 for _, begin, end in spans)


@pytest.mark.pipeline
def test_the_workers_time_under_ray_is_whole() -> None:
    from benchmarks.ray_scaling import run_under_ray, simulated

    curves, seconds = curves_of(5, 4), np.full((5, 4), 0.1)
    found = run_under_ray(curves, PromotionASHA(max_epochs=4), 2, seconds)
    assert found["training"] + found["idle"] + found["overhead"] == pytest.approx(1)
    assert min(found["training"], found["overhead"], found["start"], found["report"]) > 0
    assert found["wall"] > found["startup"] + found["shutdown"]
    same = simulated(curves, PromotionASHA(max_epochs=4), 2, seconds, found)
    assert same["makespan"] > 0


def test_a_measurement_that_was_stopped_goes_on_from_its_file(tmp_path, monkeypatch) -> None:
    from benchmarks import ray_scaling

    file, searched, fails_at = tmp_path / "scaling.json", [], 3
    found = dict.fromkeys(("wall", "training", "idle", "overhead", "startup", "shutdown"), 0.5)

    def search(_curves, _scheduler, workers, _seconds):
        if len(searched) == fails_at:
            raise KeyboardInterrupt
        searched.append(workers)
        return {**found, "start": 1.0, "resume": 0.5, "report": 0.1, "driver": 0.01, "load": len(searched)}

    monkeypatch.setattr(ray_scaling, "run_under_ray", search)
    monkeypatch.setattr("sys.argv", ["scaling", "ray", "--quick", "--json", str(file)])
    with pytest.raises(KeyboardInterrupt):
        scaling.main()
    kept = json.loads(file.read_text())
    assert {key for key in kept if key.endswith(".wall")} == {
        "ray.asha.1.wall",
        "ray.asha.2.wall",
        "ray.promotion_asha.1.wall",
    }
    fails_at = 99
    scaling.main()
    assert searched == [1, 2] * len(scaling.SCHEDULERS)
    whole = json.loads(file.read_text())
    assert kept.items() <= whole.items()
    assert whole["overhead.share_laptop"] == 0.5
    # What is whole is measured again, and so is what another machine or another length has begun.
    scaling.main()
    assert len(searched) == 4 * len(scaling.SCHEDULERS)
    file.write_text(json.dumps({**kept, "quick": False}))
    scaling.main()
    assert len(searched) == 6 * len(scaling.SCHEDULERS)


@pytest.fixture(scope="module")
def numbers():
    """Return what a measurement has: made up for Ray, simulated from that."""
    keys = ("wall", "training", "overhead", "idle", "start", "resume", "report", "driver", "load")
    of_ray = {
        f"ray.{name}.{n}.{key}": 8 / n if key == "wall" else 0.25
        for name in scaling.SCHEDULERS
        for n in (1, 2)
        for key in (*keys, "simulated.error")
    }
    known = {**of_ray, "ray.epoch_seconds": 1.0, "ray.trials": 9, "machine": {"cpu_model": "Made-up"}}
    return {**known, **scaling.for_many_workers(True, known), "quick": True}


def test_rank_rules_do_the_same_work_whatever_the_workers(numbers) -> None:
    for n in scaling.QUICK_MANY:
        key = f"simulated.paper.asha.{n}"
        assert numbers[f"{key}.work_ratio"] == pytest.approx(1, abs=0.3)
        assert numbers[f"{key}.speedup"] <= 1.3 * n
        shares = [numbers[f"{key}.{kind}"] for kind in ("training", "overhead", "idle")]
        assert sum(shares) == pytest.approx(1)
        # An epoch that takes 576 s has little beside it.
        assert shares[1] < numbers[f"simulated.laptop.asha.{n}.overhead"]


def test_the_page_says_what_was_measured(numbers) -> None:
    text = scaling_page.page(numbers)
    assert "| ASHA | 2 | 1.00 | 25.0% | 25.0% | 2.00 | 250 / 250 / 250 / 250 | +25.0% |" in text
    assert "Made-up; load" in text
    assert "Not for quoting" in text
    assert len(scaling_page.figure_of(numbers).axes) == 2
    with pytest.raises(DataError, match=r"no simulated\.trials"):
        scaling_page.page({"ray.epoch_seconds": 1.0})


def test_ours_and_asha_are_compared_at_equal_regret() -> None:
    generator = np.random.default_rng(0)
    ends = np.sort(generator.uniform(1, 2, 24))
    losses = ends[:, None] + np.linspace(1, 0, 6)[None] * generator.uniform(0.5, 1, (24, 1))
    table = LearningCurves.from_arrays([{"lr": float(end)} for end in ends], losses, TARGET)
    found = scaling_goals.at_equal_regret({"made_up": table}, quick=True)
    assert found["epochs_ratio_24"] == found["made_up.epochs_ratio_24"] > 0
    assert found["made_up.ours.epochs"] / found["made_up.asha.epochs"] == found["epochs_ratio_24"]
    assert found["made_up.ours.epochs"] > found["made_up.waiting.epochs"]
    excess = found["made_up.waiting.excess"] / found["made_up.waiting_asha.excess"]
    assert excess == found["waiting_makespan_excess_ratio_24"]
