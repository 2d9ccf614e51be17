#!/usr/bin/env bash
# Optuna 5.0.0: with HyperbandPruner a seeded, sequential study is repeated only if it has a name.
#
# Guess: with a seeded sampler, a deterministic objective and one job, two runs of a program prune the same trials.
# Seen: the bracket of a trial follows from the study's name, and a study without one is named at random: the trials that
#   are pruned, and the epochs that are spent, differ from run to run. With study_name they are the same.
# Matters where pruners are compared over seeds, or a search is repeated from its seed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    final = trial.suggest_float("x", 0, 1)
    for epoch in range(1, 28):
        loss = final + 1 / epoch
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def epochs(name=None):
    study = optuna.create_study(
        study_name=name,
        sampler=optuna.samplers.RandomSampler(seed=1),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3),
    )
    study.optimize(objective, n_trials=40)
    return tuple(max(trial.intermediate_values) for trial in study.trials)


unnamed, named = {epochs() for _ in range(4)}, {epochs("search") for _ in range(4)}
print(f"optuna {optuna.__version__}: 4 studies without a name, {len(unnamed)} sequences of epochs spent: "
      f"{sorted(sum(one) for one in unnamed)} in all; 4 with the same name, {len(named)}")
sys.exit(len(unnamed) == 1 or len(named) != 1)
PYTHON
