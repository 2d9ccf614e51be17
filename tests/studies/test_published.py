"""The published study: numbers on record as the oracle; needs the published files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import r2_score
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVR

from mlpf_hpo.errors import ConfigurationError, DataError, MissingInputError
from mlpf_hpo.predictors.regressors.qsvr import QSVR
from mlpf_hpo.predictors.samplers import make_sampler
from mlpf_hpo.predictors.scoring import halves
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.settings.parameter_file import read_parameters
from studies.published import annealer, paper, reads
from studies.published.corrected_protocol import corrected_scores
from studies.published.data import PublishedCurves, PublishedSolutions, reference_folder
from studies.published.methods import methods
from studies.published.outcome import headline, outcome
from studies.published.page import build_published_report
from studies.published.params import PublishedParams
from studies.published.solutions import ways_of_samples
from studies.published.steps import run_study

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "studies" / "published"
TINY = PublishedParams(
    svr_splits=30,
    qsvr_splits=2,
    ensemble_splits=1,
    honest_splits=2,
    reads=5,
    sweeps=5,
    draws=50,
    mock_reads=3,
    chain_strengths=(3.0,),
    control_bits=(5,),
)


@pytest.fixture(scope="module")
def folder() -> Path:
    if not os.environ.get("MLPF_HPO_REFERENCE_DIR"):
        pytest.skip("MLPF_HPO_REFERENCE_DIR is not set: the published curves and solutions are not at hand")
    return reference_folder()


@pytest.fixture(scope="module")
def curves(folder) -> PublishedCurves:
    return PublishedCurves.load(folder)


@pytest.fixture(scope="module")
def stored(folder) -> PublishedSolutions:
    return PublishedSolutions.load(folder)


@pytest.fixture(scope="module")
def content(folder, tmp_path_factory):
    return run_study(folder, TINY, tmp_path_factory.mktemp("state"))


def rounded(spread):
    return tuple(round(spread[key], 3) for key in ("best", "worst", "mean", "std"))


def test_a_thousand_splits_of_the_svr_come_back_to_three_digits(curves):
    seeds = range(123, 1123)
    assert rounded(paper.spread(paper.single_r2(curves, methods(TINY)["svr"], seeds))) == (
        0.957,
        0.437,
        0.890,
        0.048,
    )


def test_ensembles_of_exact_regressions_come_back_on_the_papers_ten_splits(curves):
    seeds = range(202831532, 202831542)
    spread = rounded(paper.spread(paper.ensemble_r2(curves, methods(TINY)["svr"], seeds)))
    assert spread == pytest.approx((0.950, 0.910, 0.927, 0.012), abs=0.0011)


def test_every_published_r2_that_can_be_recomputed_comes_back(curves, stored):
    found = annealer.reproduced(curves, stored)
    assert len(found["values"]) == 10 * 7 + 10
    assert found["largest_error"] < 1e-10
    assert min(value["published"] for value in found["values"]) < 0.742, "the worst of table 2 is among them"


def test_singles_are_given_the_rows_that_the_annealer_learnt_from(curves, stored):
    """The table itself as the oracle: values of the stored rows, and what the notebook could draw from."""
    X = QuantileTransformer(n_quantiles=50, random_state=0).fit_transform(curves.seen[curves.paper_rows])
    groups = curves.curves.groups
    for single in stored.singles:
        split, half = curves.split_of(single), curves.split(single["split_seed"], 79)
        np.testing.assert_array_equal(split.X_train, single["X_train"])
        np.testing.assert_array_equal(split.y_train, single["y_train"])
        positions = [list(curves.paper_rows).index(row) for row in split.train]
        np.testing.assert_array_equal(X[positions], single["X_train"])
        assert set(split.train) <= set(half.train)
        assert 2 <= len(set(split.train) & set(half.train[:20])) <= 8
        new = split.test[annealer.new_rows(curves, split)]
        assert not set(groups[new]) & set(groups[split.train])
    for ensemble in stored.ensembles:
        np.testing.assert_array_equal(
            curves.split_of(ensemble).X_train, curves.split(ensemble["split_seed"], 80).X_train
        )


def test_a_training_row_of_no_published_curve_is_refused(curves, stored):
    wrong = dict(stored.singles[0], X_train=np.full((20, 13), 0.123))
    with pytest.raises(DataError, match=f"split {wrong['split_seed']}: a stored training row is none"):
        curves.split_of(wrong)


def test_reads_are_judged_as_a_fitted_regressor_is(curves, stored):
    problem = reads.Problem(curves, stored.ensembles[2])
    member, split = stored.ensembles[2]["members"][0], curves.split_of(stored.ensembles[2])
    new = annealer.new_rows(curves, split)
    errors, r2 = problem.judged(problem.kept)
    for alphas, error, found in zip(problem.kept, errors, r2, strict=True):
        model = QSVR.from_solution(member["X_train"], member["y_train"], alphas)
        np.testing.assert_allclose(problem.y - model.predict(problem.X), error, atol=1e-12)
        truth = curves.to_quantile(curves.curves.final[split.test][new])
        assert found == pytest.approx(r2_score(truth, model.predict(split.X_test[new])))
    result = make_sampler("random", 50).sample(problem.qubo, seed=3)

    class Replay:
        def sample(self, qubo, seed):
            return result

    chosen = problem.chosen(result.distinct())
    for key, kept_by in {"all_reads": "training_error", "four_lowest": "energy"}.items():
        model = QSVR(sampler=Replay(), kept_by=kept_by).fit(problem.X, problem.y)
        assert chosen[key] == pytest.approx(r2_score(problem.truth, model.predict(split.X_test[new])))


def test_random_bits_are_better_chosen_by_training_error_among_all_reads(curves, stored):
    few = PublishedSolutions(stored.methods, [], stored.ensembles[3:6])
    found = reads.energy_and_r2(curves, few, sweeps=2)
    assert set(found) == {*reads.SAMPLERS, "qpu", "zoom"}
    null = found["random_bits"]
    assert np.mean(null["all_reads"]) > np.mean(null["four_lowest"])
    assert max(null["spearman_error"]) < -0.95, "the training error ranks random solutions"
    assert min(np.abs(null["spearman_energy"])) < 0.8, "the energy does not"
    assert len(null["energy"]) == len(null["r2"]) == 3 * reads.DRAWN
    assert found["zoom"]["energy"] == pytest.approx([-1.0] * 3, abs=1e-3)


def test_the_seven_ways_of_samples_are_the_published_ones(stored):
    for ensemble in stored.ensembles:
        for member in ensemble["members"]:
            X, y = np.array(member["X_train"]), np.array(member["y_train"])
            model = QSVR.from_solution(X, y, member["combined_alphas"][0], epsilon=member["epsilon"])
            model.kept_alphas_ = np.reshape(member["kept_samples"], (4, 2, 20))
            model.kept_energies_ = np.arange(4.0)
            for way, alphas in zip(
                ways_of_samples(model, y).values(), member["combined_alphas"], strict=True
            ):
                np.testing.assert_allclose(way.alphas_, alphas, atol=1e-10)


def test_zoom_ensembles_on_the_papers_ten_splits(curves):
    seeds = range(202831532, 202831542)
    spread = paper.spread(paper.ensemble_r2(curves, methods(TINY)["zoom"], seeds))
    assert spread["mean"] >= 0.92
    assert spread["worst"] >= 0.90


@pytest.mark.pipeline
def test_the_annealers_energies_are_those_of_random_bits(stored):
    fitted = {name: method for name, method in methods(TINY).items() if name in ("random_bits", "zoom")}
    found = annealer.energies(stored, fitted)
    assert {len(values) for values in found.values()} == {40}
    assert np.mean(found["qpu"]) == pytest.approx(np.mean(found["random_bits"]), abs=0.05)
    energies = {name: np.mean(values[:20]) for name, values in found.items()}  # on record: five ensembles
    assert energies["qpu"] == pytest.approx(-0.229, abs=5e-4)
    assert energies["random_bits"] == pytest.approx(energies["qpu"], abs=0.05)
    assert energies["optimum"] < energies["zoom"] < -1.4


def test_new_test_rows_share_no_configuration_with_training_and_never_restart(curves):
    split = curves.split(123, 80)
    new = split.test[annealer.new_rows(curves, split)]
    groups = curves.curves.groups
    assert len(new) > 20
    assert not set(groups[new]) & set(groups[split.train])
    assert len(set(groups[new])) == len(new)
    assert (curves.curves.restart_epoch[new] < 0).all()
    old = [row for row in split.test if row not in new and groups[row] not in set(groups[new])]
    assert all(
        groups[row] in set(groups[split.train]) or curves.curves.restart_epoch[row] >= 0 for row in old
    )


def test_corrected_scores_are_those_of_a_fit_by_hand(curves):
    found = corrected_scores(curves, methods(TINY)["svr"], "distinct", "single", [3], seed=7)
    kept = np.flatnonzero(~curves.curves.duplicated)
    groups, losses = curves.curves.groups[kept], curves.curves.values[kept]
    train, test = halves(groups, 20, derive_seed(7, "published", "distinct", "single", 3))
    assert not set(groups[train]) & set(groups[test])
    x_scale = QuantileTransformer(n_quantiles=20, random_state=0).fit(losses[train][:, :25:2])
    y_scale = QuantileTransformer(n_quantiles=20, random_state=0).fit(losses[train, 99:])
    svr = SVR(C=67.61, gamma=0.1, epsilon=0.02)
    svr.fit(x_scale.transform(losses[train][:, :25:2]), y_scale.transform(losses[train, 99:]).ravel())
    quantile = svr.predict(x_scale.transform(losses[test][:, :25:2]))
    predicted = y_scale.inverse_transform(quantile[:, np.newaxis]).ravel()
    assert found["r2_loss"] == [pytest.approx(r2_score(losses[test, 99], predicted))]
    in_quantiles = (y_scale.transform(values[:, np.newaxis]) for values in (losses[test, 99], predicted))
    assert found["r2_quantile"] == [pytest.approx(r2_score(*in_quantiles))]
    assert found["spearman"] == [pytest.approx(spearmanr(losses[test, 99], predicted).statistic)]


def test_persistence_needs_no_fit(curves):
    found = corrected_scores(curves, None, "clean", "single", range(5), seed=0)
    assert np.mean(found["spearman"]) > 0.97  # .982 on the clean rows


@pytest.mark.pipeline
def test_an_interrupted_study_goes_on_and_ends_the_same(folder, content, tmp_path, monkeypatch):
    def interrupt(done, total):
        if done > total / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(folder, TINY, tmp_path, interrupt)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    again = run_study(folder, TINY, tmp_path)
    assert again == content
    assert kept
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.pipeline
def test_what_other_settings_left_is_not_used(folder, content, tmp_path):
    few = PublishedParams(**{**TINY.model_dump(), "svr_splits": 2})
    with pytest.raises(KeyboardInterrupt):
        run_study(folder, few, tmp_path, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run_study(folder, TINY, tmp_path, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.pipeline
def test_the_page_stands_alone_and_tells_every_method(content, curves, tmp_path):
    page = build_published_report(content, curves, tmp_path).read_text(encoding="utf-8")
    for label in content["labels"].values():
        assert label in page
    for heading in ("Table 2", "Figure 3", "Figure 4", "Figure 5", "Figure 6", "contributed"):
        assert heading in page
    for words in ("Which rows.", "With the rows that it did learn from", "training error among all reads"):
        assert words in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert ".959/.318/.889/.050" in page


@pytest.mark.pipeline
def test_numbers_for_dvc_hold_differences_with_intervals(content):
    numbers = outcome(content)
    difference = numbers["differences"]["annealer new ensemble"]["qpu_minus_random_bits"]["r2_quantile"]
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert numbers["differences"]["annealer new single"]["qpu_minus_zoom"]["r2_quantile"]["splits"] == 10
    singles = content["same_rows"]["ensemble"]["new"]
    expected = np.mean(singles["qpu"]["r2_quantile"]) - np.mean(singles["random_bits"]["r2_quantile"])
    assert difference["mean"] == pytest.approx(expected)
    assert set(numbers["honest"]) == {"clean", "distinct", "all"}
    assert "ensemble" not in numbers["honest"]["clean"], "fewer than 160 clean configurations"
    assert numbers["paper"]["single"]["svr"]["splits"] == 30
    assert set(numbers["precision"]) == {"pegasus", "zephyr"}
    assert set(numbers["precision"]["zephyr"]["3"]) == {"perfect", "5 bits", "2 % errors"}
    gain = numbers["differences"]["reads"]["random_bits_all_minus_random_bits_lowest"]["r2_quantile"]["mean"]
    choices = numbers["reads"]["random_bits"]
    assert gain == pytest.approx(choices["all_reads"] - choices["four_lowest"])
    few = headline(numbers)
    assert few["annealer"]["ensemble"]["qpu_minus_random_bits"] == difference
    honest = numbers["honest"]["clean"]["single"]["persistence"]["spearman"]["mean"]
    assert few["honest"]["clean"]["single"]["persistence"]["spearman"] == honest


def test_without_the_published_files_the_study_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.delenv("MLPF_HPO_REFERENCE_DIR", raising=False)
    with pytest.raises(MissingInputError, match="MLPF_HPO_REFERENCE_DIR is not set"):
        reference_folder()
    command = [sys.executable, "-m", "studies.published.study"]
    end = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert end.returncode == 1
    assert "MLPF_HPO_REFERENCE_DIR" in end.stderr
    assert "Traceback" not in end.stderr
    monkeypatch.setenv("MLPF_HPO_REFERENCE_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(MissingInputError, match="no such folder"):
        reference_folder()
    with pytest.raises(MissingInputError, match="mlpf_learning_curves"):
        PublishedCurves.load(tmp_path)


def test_another_table_is_refused(folder, tmp_path):
    table = (folder / "mlpf_learning_curves.csv").read_text().splitlines()
    (tmp_path / "mlpf_learning_curves.csv").write_text("\n".join(table[:-1]))
    with pytest.raises(DataError, match="not the published table"):
        PublishedCurves.load(tmp_path)


def test_the_studys_settings_are_the_defaults_and_wrong_ones_are_refused(tmp_path):
    assert read_parameters(PublishedParams, STUDY / "params.yaml", "the project folder") == PublishedParams()
    wrong = tmp_path / "params.yaml"
    wrong.write_text("svr_split: 3\n")
    with pytest.raises(ConfigurationError, match=r"svr_split.*did you mean svr_splits\?"):
        read_parameters(PublishedParams, wrong, "the project folder")
