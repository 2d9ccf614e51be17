"""SMAC's Hyperband on recorded curves, run by its Python: ``smac_search.py TABLE.npz Hyperband ...``.

Arguments as of syne_tune_search.py. The table has `losses` and `seconds`, [n_trials, n_epochs]; its rows are
offered in their order. A row that is promoted goes on from where it stood. Where too few rows are left for
another bracket SMAC ends, and promotes none of those that still run. The last line printed is a JSON list:
the row of each epoch, in the order in which they were reported.
"""

import json
import logging
import sys
import tempfile
from heapq import heappop, heappush
from itertools import count

import numpy as np
from ConfigSpace import Configuration, ConfigurationSpace, Integer
from smac import HyperbandFacade, Scenario
from smac.initial_design import RandomInitialDesign
from smac.main.exceptions import ConfigurationSpaceExhaustedException
from smac.runhistory import TrialValue

logging.disable(logging.CRITICAL)


def never_called(config, seed, budget):
    """Stand where SMAC takes a function to be minimised; it is asked and told instead."""
    raise NotImplementedError


def make(n, epochs, eta, seed, folder):
    """Return SMAC with its defaults, but for the rows as the first configurations that it takes."""
    space = ConfigurationSpace(seed=seed)
    space.add(Integer("row", (0, n - 1)))
    rows = [Configuration(space, {"row": row}) for row in range(n)]
    scenario = Scenario(
        space,
        deterministic=True,
        min_budget=1,
        max_budget=epochs,
        n_trials=n * epochs,
        seed=seed,
        output_directory=folder,
    )
    return HyperbandFacade(
        scenario,
        never_called,
        initial_design=RandomInitialDesign(scenario, n_configs=0, additional_configs=rows),
        intensifier=HyperbandFacade.get_intensifier(scenario, eta=eta),
        logging_level=False,
    )


def search(smac, losses, seconds, workers, budget):
    """Return the row of each epoch, in the order of their reports in simulated time."""
    epochs, turn = np.zeros(len(losses), dtype=int), count()
    busy, found = [], []

    def tell(info):
        smac.tell(
            info,
            TrialValue(cost=float(losses[info.config["row"], epochs[info.config["row"]] - 1])),
            save=False,
        )

    def start(now):
        for _ in range(len(losses)):  # budgets are no whole numbers: two may be the same epoch
            try:
                info = smac.ask()
            except (
                ConfigurationSpaceExhaustedException,
                StopIteration,
            ):  # too few rows are left for a bracket
                return
            row, level = info.config["row"], max(1, round(info.budget))
            if level > epochs[row]:
                heappush(busy, (now + seconds[row, epochs[row]], next(turn), level, info))
                return
            tell(info)

    for _ in range(workers):
        start(0.0)
    while busy and len(found) < budget:
        now, _, level, info = heappop(busy)
        row = info.config["row"]
        epochs[row] += 1
        found.append(int(row))
        if epochs[row] < level:
            heappush(busy, (now + seconds[row, epochs[row]], next(turn), level, info))
            continue
        tell(info)
        start(now)
    return found


def main() -> None:
    """Search the table and print which epochs were trained."""
    table, workers = np.load(sys.argv[1]), int(sys.argv[3])
    eta, seed, budget = round(float(sys.argv[4])), int(sys.argv[5]), int(sys.argv[6])
    with tempfile.TemporaryDirectory() as folder:
        smac = make(*table["losses"].shape, eta, seed, folder)
        print(json.dumps(search(smac, table["losses"], table["seconds"], workers, budget)))


if __name__ == "__main__":
    main()
