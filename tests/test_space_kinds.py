"""Hyperparameters of every kind, through params.yaml, MLflow's texts, tables, Parquet and features."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf_hpo.config import Params, parse_params
from mlpf_hpo.config.space import SpaceParams
from mlpf_hpo.curves.dataset import read_curves, write_curves
from mlpf_hpo.curves.features import CurveFeatures
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.registry.champion_scope import ChampionScope
from mlpf_hpo.search.trial_summary import TrialSummary
from mlpf_hpo.space import Choice, Integer, SearchSpace, Uniform, config_id, from_text, kind_of, to_text
from mlpf_hpo.target_metric import TargetMetric
from mlpf_hpo.tracking.learning_curves import curves_from_trials
from mlpf_hpo.tracking.records import trial_name
from mlpf_hpo.tuning.task import TrialSpec

TARGET = TargetMetric("val/loss", "min")

names = st.text("abcxyz_", min_size=2, max_size=8).filter(lambda name: name not in ("seed", "config_id"))
texts = st.text("ab 1.e-+_tTrueFalsn\"'é", min_size=1, max_size=6).filter(lambda text: text == text.strip())
reals = st.floats(-1e6, 1e6)
domains = st.one_of(
    st.tuples(reals, reals)
    .filter(lambda ends: ends[0] < ends[1])
    .map(lambda ends: {"low": ends[0], "high": ends[1]}),
    st.tuples(st.integers(1, 30), st.integers(31, 10**5), st.sampled_from(("linear", "log"))).map(
        lambda drawn: {"type": "int", "low": drawn[0], "high": drawn[1], "scale": drawn[2]}
    ),
    st.lists(st.integers(-50, 50) | reals, min_size=1, max_size=5, unique=True).map(lambda v: {"values": v}),
    st.lists(texts, min_size=1, max_size=5, unique=True).map(lambda v: {"values": v}),
    st.lists(st.booleans(), min_size=1, max_size=2, unique=True).map(lambda v: {"values": v}),
)
spaces = st.dictionaries(names, domains, min_size=1, max_size=5)


def sampled(content: dict[str, object], n: int, seed: int = 3) -> tuple[SearchSpace, list[dict[str, object]]]:
    space = SpaceParams.model_validate(content).search_space()
    return space, space.stream(n, seed)


def curves_of(configurations, texts_of=lambda text: text):
    """Return curves as the campaign reads them back from MLflow, where every parameter is a text."""
    trials = [
        TrialSummary(
            trial_id=f"t{i:03d}",
            trial_key=f"k{i}",
            run_id="r",
            configuration={name: from_text(texts_of(to_text(value))) for name, value in one.items()},
            seed=i,
            status="finished",
            hardware_label="",
            timestamps=(1.0, 2.0, 3.0),
            metrics={"val/loss": (2.0 + i, 1.5 + i, 1.0 + i)},
        )
        for i, one in enumerate(configurations)
    ]
    return curves_from_trials(trials, TARGET, 3, "made up")


@settings(max_examples=60)
@given(spaces)
def test_every_kind_survives_from_the_space_to_features(tmp_path_factory, content) -> None:
    space, drawn = sampled(content, 12)
    for one in drawn:
        assert all(space.domains[name].contains(value) for name, value in one.items())
    table = curves_of(drawn)
    path = tmp_path_factory.mktemp("kinds") / "curves.parquet"
    write_curves(table, path)
    again = read_curves(path)
    assert list(again.hyperparameters) == list(space.names)
    for i, one in enumerate(drawn):
        for name, value in one.items():
            read = again.configs[name].iloc[i]
            assert (kind_of(read), read) == (kind_of(value), value)
    assert again.configs["config_id"].tolist() == [config_id(one) for one in drawn]
    assert ChampionScope.of_curves(again, space).space == ChampionScope.of_search(TARGET, 3, space).space
    fitted = CurveFeatures(known_epochs=1).fit(again.frame())
    matrix, features = fitted.transform(again.frame()), fitted.get_feature_names_out().tolist()
    assert np.isfinite(matrix).all()
    for name in space.names:
        values = [one[name] for one in drawn]
        if kind_of(values[0]) == "text":
            for text in set(values):
                assert matrix[:, features.index(f"{name}={text}")].tolist() == [v == text for v in values]
        elif f"log_{name}" in features:
            normal = np.maximum(values, np.finfo(float).tiny)  # what is smaller has the logarithm of that
            np.testing.assert_array_equal(matrix[:, features.index(f"log_{name}")], np.log(normal))
        else:
            assert matrix[:, features.index(name)].tolist() == [float(value) for value in values]


LOOKALIKES = ("8", "-1", "1_0", "0.5", "1e3", "nan", "inf", "True", "False", '"a"', '"a', "٣")


@given(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(LOOKALIKES))
def test_values_survive_as_texts(value) -> None:
    again = from_text(to_text(value))
    assert type(again) is type(value)
    assert again == value


def test_old_runs_come_back_as_before() -> None:
    texts = {"lr": "3.5e-04", "bin_size": "8", "dropout": "0.0", "whole": "1.0", "beyond": "inf"}
    read = {name: from_text(text) for name, text in texts.items()}
    assert read == {"lr": 3.5e-4, "bin_size": 8, "dropout": 0.0, "whole": 1.0, "beyond": math.inf}
    assert [type(value) for value in read.values()] == [float, int, float, float, float]


def test_a_text_is_another_configuration_than_the_number_that_it_looks_like() -> None:
    assert config_id({"a": "8"}) != config_id({"a": 8}) == config_id({"a": 8.0})
    task = SimpleNamespace(data_digest="events", constants={})
    keys = {TrialSpec("t000", {"a": value}, 1, task).key for value in ("8", 8, "relu", True, 2.5)}
    assert len(keys) == 5


def test_the_names_of_trials_show_every_kind() -> None:
    name = trial_name("t001", {"lr": 0.00123456, "layers": 3, "activation": "relu", "bias": False})
    assert name == "t001 lr=0.00123 layers=3 activation=relu bias=False"


def test_a_logarithmic_range_of_whole_numbers_favours_small_ones_and_reaches_both_ends() -> None:
    drawn = [Integer(1, 64, "log").sample(np.random.default_rng([1, i])) for i in range(4000)]
    assert {1, 64} <= set(drawn) <= set(range(1, 65))
    total = math.log(64.5 / 0.5)
    for low, high in ((1, 1), (2, 7), (8, 64)):  # shares by the logarithm of the reals that round to them
        expected = math.log((high + 0.5) / (low - 0.5)) / total
        found = np.mean([low <= value <= high for value in drawn])
        assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / len(drawn))


def test_a_linear_range_of_whole_numbers_is_uniform() -> None:
    drawn = np.array([Integer(3, 6).sample(np.random.default_rng([2, i])) for i in range(4000)])
    counts = np.bincount(drawn, minlength=7)[3:]
    assert counts.sum() == 4000
    assert (abs(counts - 1000) < 4 * math.sqrt(750)).all()


def test_the_order_in_the_file_changes_no_configuration() -> None:
    content = {"b": {"low": 0, "high": 1}, "lr": {"low": 0, "high": 1}, "a": {"values": ["x", "y"]}}
    backwards = dict(reversed(content.items()))
    assert sampled(content, 5) == sampled(backwards, 5)
    assert SpaceParams.model_validate(content).search_space().names == ("lr", "a", "b")


def test_a_space_is_dumped_as_it_was_written() -> None:
    content = {
        "lr": {"low": 1e-6, "high": 0.1, "scale": "log"},
        "layers": {"low": 1, "high": 4, "scale": "linear", "type": "int"},
        "activation": {"values": ["relu", "8", "no"]},
        "bias": {"values": [False, True]},
    }
    assert SpaceParams.model_validate(content).model_dump(mode="json") == {
        name: {key: list(v) if isinstance(v, tuple) else v for key, v in domain.items()}
        for name, domain in content.items()
    }


@pytest.mark.parametrize(
    ("name", "domain", "message"),
    [
        (
            "lr",
            {"low": 1.0, "high": 2.0, "scael": "log"},
            "space.lr.scael: unknown key (did you mean scale?)",
        ),
        ("lr", {"low": 1.0}, "space.lr.high: field required"),
        ("lr", {"type": "int", "low": 1, "high": 2.5}, "space.lr.high: input should be a valid integer"),
        ("lr", {"type": "bool", "low": 0, "high": 1}, "space.lr.type: input should be 'float'"),
        ("lr", 0.1, "space.lr: must be a range, {low: ..., high: ...}, or a list"),
        ("lr", {"values": [0.1, "a"]}, "space.lr: values must be of one kind, and there are number and text"),
        ("lr", {"values": [True, 1]}, "there are boolean and number"),
        ("lr", {"values": []}, "space.lr.values: a list must have 1 to 1000 values"),
        ("lr", {"values": [None]}, "space.lr.values.0: must be a number, a text, true or false"),
        ("lr", {"values": [" a"]}, "space.lr.values.0: a text must have 1 to 100 letters"),
        ("lr", {"values": [float("inf")]}, "space.lr.values.0: a number must be finite"),
        ("lr", {"values": ["fast"]}, "space.lr: 'fast' cannot be trained with; values must be numbers"),
        ("bin_size", {"values": [8.5]}, "space.bin_size: 8.5 cannot be trained with; values must be whole"),
        ("bin_size", {"low": 8, "high": 64}, "space.bin_size: a range of real numbers"),
        ("dropout", {"low": 0.5, "high": 1.0}, "space.dropout: 1 cannot be trained with; values must be"),
        ("dropuot", {"low": 0, "high": 0.5}, "space.dropuot: unknown key (did you mean dropout?)"),
        ("dropuot", 1, "space.dropuot: unknown key (did you mean dropout?)"),
    ],
)
def test_mistakes_are_refused_with_the_key(name, domain, message) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_params({"space": {name: domain}})
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seed", "space.seed: a hyperparameter cannot have this name"),
        ("loss_1", "space.loss_1: a hyperparameter cannot have this name"),
        ("a,b", "space.a,b: a hyperparameter's name must be of letters, digits"),
    ],
)
def test_names_that_no_hyperparameter_of_any_task_can_have(name, message) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_params({"task": "tests.toy_task:ToyRegression", "space": {name: {"low": 0, "high": 1}}})
    assert message in str(caught.value)


def test_mlpf_takes_other_kinds_of_domains_and_the_rest_of_table_1() -> None:
    params = parse_params({"space": {"bin_size": {"type": "int", "low": 8, "high": 64, "scale": "log"}}})
    space = params.space.search_space()
    assert space.domains["bin_size"] == Integer(8, 64, "log")
    assert space.names == Params().space.search_space().names
    assert space.domains["dropout"] == Uniform(0.0, 0.5)


def test_what_lies_in_a_domain() -> None:
    assert not Choice((0, 1)).contains(True)
    assert not Uniform(0, 1).contains(True)
    assert not Uniform(0, 1).contains("0.5")
    assert Choice(("0.5",)).contains("0.5")
    assert Integer(1, 3).contains(np.float64(2.0))
    assert not Integer(1, 3).contains(2.5)
