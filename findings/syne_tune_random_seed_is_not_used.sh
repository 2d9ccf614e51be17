#!/usr/bin/env bash
# syne-tune 0.16.0: `random_seed` of RandomSearch does not decide on its configurations; that of ASHA does.
#
# Guess: two schedulers of the same class, space and random_seed suggest the same configurations.
# Seen: so it is for ASHA, whose configurations are random, too. RandomSearch draws from NumPy's global generator,
#   whatever its seed: two with the same seed differ, and only numpy.random.seed repeats them.
# Matters where searches are compared in pairs over seeds, random search being the usual baseline, or one is repeated.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check syne-tune==0.16.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from syne_tune import config_space
from syne_tune.optimizer.baselines import RandomSearch
from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

SPACE = {"x": config_space.uniform(0, 1)}


def asha():
    scheduler = AsynchronousSuccessiveHalving(SPACE, metric="loss", random_seed=1)
    return [scheduler.suggest().config["x"] for _ in range(3)]


def random_search():
    scheduler = RandomSearch(SPACE, metrics=["loss"], random_seed=1)
    return [scheduler.suggest().config["x"] for _ in range(3)]


def after_a_global_seed():
    np.random.seed(7)
    return random_search()


repeated = {one.__name__: one() == one() for one in (asha, random_search, after_a_global_seed)}
print("syne-tune 0.16.0, random_seed=1 twice, the same configurations:", repeated)
sys.exit(repeated != {"asha": True, "random_search": False, "after_a_global_seed": True})
PYTHON
