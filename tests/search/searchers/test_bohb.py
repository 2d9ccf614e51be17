"""BOHB: what Ray's `TuneBOHB` proposes after the same results; without the extra one line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.search.searchers import make_searcher
from mlpf_hpo.search.searchers.bohb import BOHBSearcher
from mlpf_hpo.seeds import derive_seed
from mlpf_hpo.space import Choice, Integer, LogUniform, SearchSpace, Uniform

SPACE = SearchSpace(
    {
        "lr": LogUniform(1e-5, 1e-1),
        "layers": Integer(1, 9),
        "dropout": Uniform(0.0, 0.5),
        "bin_size": Choice((8, 16, 32)),
        "optimizer": Choice(("adam", "sgd")),
    }
)


def loss(configuration, epoch: int) -> float:
    return abs(np.log10(configuration["lr"]) + 3) + configuration["dropout"] + 1 / epoch


def tune_bohb(seed: int):
    """Return Ray's searcher on the same space, written down by hand."""
    pytest.importorskip("hpbandster", reason="the extra `bohb` is not installed")
    import ConfigSpace
    from ray.tune.search.bohb import TuneBOHB

    space = ConfigSpace.ConfigurationSpace()
    space.add(ConfigSpace.UniformFloatHyperparameter("lr", lower=1e-5, upper=1e-1, log=True))
    space.add(ConfigSpace.UniformIntegerHyperparameter("layers", lower=1, upper=9))
    space.add(ConfigSpace.UniformFloatHyperparameter("dropout", lower=0.0, upper=0.5))
    space.add(ConfigSpace.CategoricalHyperparameter("bin_size", choices=[8, 16, 32]))
    space.add(ConfigSpace.CategoricalHyperparameter("optimizer", choices=["adam", "sgd"]))
    return TuneBOHB(space=space, metric="loss", mode="min", seed=seed), space


@pytest.mark.parametrize("mode", ["min", "max"])
def test_it_proposes_what_ray_proposes(mode) -> None:
    theirs, space = tune_bohb(0)
    ours = make_searcher("bohb", SPACE, 3, mode, seed=5)
    stream, sign = SPACE.stream(30, seed=1), 1 if mode == "min" else -1
    assert ours.suggest() is None
    proposed = 0
    for i in range(30):
        trial_id, mine = f"t{i:03d}", ours.suggest()
        np.random.seed(derive_seed(5, "proposal", i))  # noqa: NPY002
        space.seed(derive_seed(5, "proposal", i))
        suggested = theirs.suggest(trial_id)
        if mine is None:
            theirs.trial_to_params[trial_id] = stream[i]
        else:
            assert mine == suggested
            assert [type(value) for value in mine.values()] == [float, int, float, int, str]
            assert ours.suggest() == mine, "the same until a trial starts"
            proposed += 1
        configuration = mine or stream[i]
        ours.on_trial_add(trial_id, configuration)
        for epoch in range(1, 4 if i % 3 == 0 else 2):
            value = loss(configuration, epoch)
            ours.on_trial_result(trial_id, epoch, sign * value)
            theirs.on_trial_result(trial_id, {"loss": value, "hyperband_info": {"budget": epoch}})
    assert proposed > 10


def test_it_leaves_numpys_global_state_alone() -> None:
    pytest.importorskip("hpbandster", reason="the extra `bohb` is not installed")
    searcher = BOHBSearcher(SPACE, 3)
    for i, configuration in enumerate(SPACE.stream(20, seed=1)):
        searcher.on_trial_add(f"t{i:03d}", configuration)
        searcher.on_trial_result(f"t{i:03d}", 1, float("nan") if i == 3 else loss(configuration, 1))
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert searcher.suggest() is not None
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("missing", ["hpbandster.optimizers.config_generators.bohb", "ConfigSpace"])
def test_without_the_extra_one_line_names_it(missing, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        ConfigurationError, match=r"needs hpbandster and ConfigSpace: .*'mlpf_hpo\[bohb\]'"
    ) as found:
        make_searcher("bohb", SPACE, 3)
    assert "\n" not in str(found.value)
