#!/usr/bin/env bash
# dwave-samplers 1.8.0: PathIntegralAnnealingSampler takes seed=0 for "no seed".
#
# Guess: a seed is a seed; two calls with seed=0 give the same samples, as with seed=1, and as with seed=0 of
#   SimulatedAnnealingSampler in the same package.
# Seen: two calls of the path-integral sampler with seed=0 differ (120 reads of a frustrated ring of 60 spins);
#   with seed=1 they are equal. The simulated annealer is reproducible for both seeds.
# Matters to whoever derives seeds or counts them from 0: the first of them is not reproducible.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  dwave-samplers==1.8.0 dimod==0.12.22 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import dimod
import numpy as np
from dwave.samplers import PathIntegralAnnealingSampler, SimulatedAnnealingSampler

generator = np.random.default_rng(7)
ring = {(i, (i + 1) % 60): float(generator.choice((-1, 1))) for i in range(60)}
bqm = dimod.BinaryQuadraticModel.from_ising({}, ring)


def repeats(sampler, seed):
    first, second = (
        sampler.sample(bqm, num_reads=120, num_sweeps=20, seed=seed).record.sample for _ in range(2)
    )
    return bool(np.array_equal(first, second))


seen = {
    f"{name}, seed {seed}": repeats(sampler, seed)
    for name, sampler in (
        ("path integral", PathIntegralAnnealingSampler()),
        ("simulated annealing", SimulatedAnnealingSampler()),
    )
    for seed in (0, 1)
}
print("dwave-samplers", version("dwave-samplers"), "- equal in two calls:", seen)
expected = {
    "path integral, seed 0": False,
    "path integral, seed 1": True,
    "simulated annealing, seed 0": True,
    "simulated annealing, seed 1": True,
}
sys.exit(seen != expected)
PYTHON
