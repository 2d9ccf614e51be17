"""What takes a seed: two calls give the same, also at seeds that a library may take for something else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from typer.testing import CliRunner

from mlpf_hpo.cli.app import app
from mlpf_hpo.config import NetworkParams, Params, parse_params
from mlpf_hpo.errors import ConfigurationError
from mlpf_hpo.events.batches import EpochSampler
from mlpf_hpo.events.sources.guns import shoot
from mlpf_hpo.events.sources.pythia import SEEDS, event_seed
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.predictors.factory import make_predictor
from mlpf_hpo.predictors.qubo import Encoding, dual_qubo
from mlpf_hpo.predictors.regressors import REGRESSORS
from mlpf_hpo.predictors.samplers import SAMPLERS, make_sampler
from mlpf_hpo.predictors.scoring import grouped_folds, held_out
from mlpf_hpo.predictors.settings import PredictorsParams
from mlpf_hpo.seeds import LARGEST_SEED, LIBRARY_SEEDS, derive_seed, library_seed
from mlpf_hpo.space import TABLE_1
from tests.curves.tables import some_curves

SPECIAL = (0, 1, 2, LARGEST_SEED - 1, LARGEST_SEED)
PAID = ("qpu", "leap_hybrid")
OFFLINE = [name for name in SAMPLERS if name not in PAID]
WITHOUT_CHANCE = ("exact",)
CONFIGURATION = {"lr": 1e-3, "n_glayers_id": 1, "n_glayers_reg": 1, "dropout": 0.1, "bin_size": 8,
                 "output_dim": 8, "weight_decay": 0.0}  # fmt: skip
TINY = NetworkParams(embedding_dim=8, class_head=(8,), charge_head=(8,), regression_head=(8,))


def problem(n_points: int = 8):
    generator = np.random.default_rng(n_points)
    kernel = rbf_kernel(generator.normal(size=(n_points, 3)), gamma=0.1)
    return dual_qubo(kernel, generator.uniform(size=n_points), 0.02, 0.01, Encoding())


@pytest.mark.parametrize("seed", SPECIAL)
@pytest.mark.parametrize("name", OFFLINE)
def test_two_calls_of_a_sampler_give_the_same(name, seed) -> None:
    first, again = (make_sampler(name, reads=8, sweeps=2).sample(problem(), seed).samples for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", [name for name in OFFLINE if name not in WITHOUT_CHANCE])
def test_special_seeds_of_a_sampler_differ_from_each_other(name) -> None:
    found = [make_sampler(name, reads=3, sweeps=1).sample(problem(20), seed).samples for seed in SPECIAL]
    assert len({samples.tobytes() for samples in found}) == len(SPECIAL)


@pytest.mark.parametrize("seed", [-1, 2**64])
@pytest.mark.parametrize(
    "name", ["random", "steepest_descent", "simulated_annealing", "path_integral", "tabu"]
)
def test_a_seed_that_a_library_does_not_take_is_refused(name, seed) -> None:
    with pytest.raises(ConfigurationError, match=f"seed = {seed}: .* takes seeds from 0 to"):
        make_sampler(name, reads=1, sweeps=1).sample(problem(), seed)


def test_a_library_gets_our_seed_as_it_is_unless_it_means_something_else() -> None:
    for library, allowed in LIBRARY_SEEDS.items():
        assert allowed.largest >= LARGEST_SEED
        assert [library_seed(library, seed) for seed in SPECIAL[1:]] == list(SPECIAL[1:])
    given = {library: library_seed(library, 0) for library in LIBRARY_SEEDS}
    assert 0 < given.pop("path integral") < LARGEST_SEED
    assert set(given.values()) == {0}


@pytest.mark.parametrize("name", REGRESSORS)
def test_two_fits_of_a_predictor_give_the_same(name) -> None:
    params = PredictorsParams.model_validate({"qsvr": {"sampler": "path_integral", "reads": 4, "sweeps": 4,
                                                       "points": 6}})  # fmt: skip
    curves = some_curves(14, 6)
    frame = curves.frame()
    for seed in (0, 1, LARGEST_SEED):
        first, again = (
            make_predictor(name, params, seed, [2], folds=0).fit(frame, curves.final).predict(curves.frame(2))
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("seed", SPECIAL)
def test_two_draws_of_anything_else_give_the_same(seed) -> None:
    groups = np.arange(30).astype(str)
    makers = {
        "stream": lambda: TABLE_1.stream(3, seed),
        "folds": lambda: [test.tolist() for _, test in grouped_folds(groups, 3, seed)],
        "held out": lambda: [part.tolist() for part in held_out(groups, 5, seed)],
        "order of events": lambda: list(EpochSampler(20, seed)),
        "gun": lambda: [shot.momentum.tolist() for shot in shoot("gun-photon", seed, range(3))],
        "weights": lambda: [
            weights.tolist() for weights in MLPFModule(CONFIGURATION, TINY, seed=seed).parameters()
        ],
    }
    for make in makers.values():
        assert make() == make()
    others = (other for other in SPECIAL if other != seed)
    assert all(TABLE_1.stream(1, other) != TABLE_1.stream(1, seed) for other in others)


@pytest.mark.parametrize("seed", SPECIAL)
def test_pythia_never_gets_a_seed_that_it_replaces(seed) -> None:
    near = SEEDS - derive_seed(seed, "pythia", "ttbar") % SEEDS  # where the count starts anew
    found = [event_seed("ttbar", seed, number) for number in (0, near - 2, near - 1, near, 10**6)]
    assert all(1 <= one <= SEEDS for one in found)
    assert len(set(found)) == 5


def test_pythia_takes_its_whole_range() -> None:
    pythia8mc = pytest.importorskip("pythia8mc")
    random = pythia8mc.Pythia("", False).rndm

    def first(seed: int) -> float:
        random.init(seed)
        return random.flat()

    ours = [first(seed) for seed in (1, 2, SEEDS - 1, SEEDS)]
    assert ours == [first(seed) for seed in (1, 2, SEEDS - 1, SEEDS)]
    assert len(set(ours)) == 4


def test_torch_keeps_all_bits_of_our_seeds() -> None:
    found = [torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist() for seed in SPECIAL]
    assert len({tuple(one) for one in found}) == len(SPECIAL)


IN_ANOTHER_PROCESS = """
from tests.test_seeds import OFFLINE, make_sampler, problem
print([make_sampler(name, 4, 2).sample(problem(), 0).samples.tolist() for name in OFFLINE])
"""


def test_another_process_gives_the_same() -> None:
    root = Path(__file__).parents[1]
    run = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    there = subprocess.check_output(run, env={**os.environ, "PYTHONPATH": str(root)}, cwd=root, text=True)
    here = [make_sampler(name, 4, 2).sample(problem(), 0).samples.tolist() for name in OFFLINE]
    assert there.strip() == str(here)


def test_params_and_commands_take_the_seeds_that_all_libraries_take() -> None:
    assert parse_params({"seed": LARGEST_SEED}).seed == LARGEST_SEED
    assert Params(seed=0).seed == 0
    for seed in (-1, LARGEST_SEED + 1):
        with pytest.raises(ConfigurationError, match=r"seed: input should be .* than or equal to"):
            parse_params({"seed": seed})
    for command in ("predictors evaluate --curves x.csv", "predictors fit --curves x.csv --out y",
                    "events generate --out z"):  # fmt: skip
        result = CliRunner().invoke(app, [*command.split(), "--seed", str(LARGEST_SEED + 1)])
        assert result.exit_code == 2
        assert f"less than or equal to {LARGEST_SEED}" in result.output
