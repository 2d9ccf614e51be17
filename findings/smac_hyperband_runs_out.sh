#!/usr/bin/env bash
# SMAC 2.4.0: Hyperband over a finite space promotes nothing any more once no configuration is left for a new bracket.
#
# Guess: where all configurations have begun, ask() raises StopIteration for a worker that is free, and answers again
#   when a trial that still runs is told and another one can be promoted: open brackets are finished.
# Seen: ask() raises ConfigurationSpaceExhaustedException, which optimize() does not catch, and StopIteration from
#   then on, whatever is told: with two workers no configuration reaches the highest budget, with one it does.
# Matters where rows of a table, or a few variants of a training, are searched by several workers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smac==2.4.0 scikit-learn==1.7.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys

from ConfigSpace import Configuration, ConfigurationSpace, Integer

logging.disable(logging.CRITICAL)
from smac import HyperbandFacade, Scenario
from smac.initial_design import RandomInitialDesign
from smac.runhistory import TrialValue

ROWS = 9  # as many as the first bracket of budgets 1, 3, 9 begins with


def highest(workers):
    """Return the highest budget that was told, and what ask raised, in their order."""
    space = ConfigurationSpace(seed=0)
    space.add(Integer("row", (0, ROWS - 1)))
    scenario = Scenario(space, deterministic=True, min_budget=1, max_budget=9, n_trials=999, output_directory="out")
    rows = [Configuration(space, {"row": row}) for row in range(ROWS)]
    smac = HyperbandFacade(
        scenario,
        lambda config, seed, budget: 0.0,
        initial_design=RandomInitialDesign(scenario, n_configs=0, additional_configs=rows),
        intensifier=HyperbandFacade.get_intensifier(scenario, eta=3),
        logging_level=False,
        overwrite=True,
    )
    running, told, raised = [], [0], []
    while True:
        while len(running) < workers and len(raised) < 3 * ROWS:
            try:
                running.append(smac.ask())
            except Exception as error:
                raised.append(type(error).__name__)
                break
        if not running:
            return max(told), list(dict.fromkeys(raised))
        info = running.pop(0)
        smac.tell(info, TrialValue(cost=float(info.config["row"])), save=False)
        told.append(info.budget)


one, two = highest(1), highest(2)
print(f"one worker: highest budget {one[0]:g}, raised {one[1]}; two workers: highest budget {two[0]:g}, raised {two[1]}")
sys.exit(not (one[0] == 9 and two[0] < 9 and two[1][0] == "ConfigurationSpaceExhaustedException"))
PYTHON
