"""ASHA in syne-tune's simulator, run by its Python: ``syne_tune_asha.py TABLE.npz WORKERS ETA``.

The table has `losses` and `seconds`, [number of trials, number of epochs], both floats. The last line printed
is a JSON object: processor seconds of the search, and the number of epochs of each trial.
"""

import json
import sys
import time

import numpy as np
from curves_in_syne_tune import TableOfCurves
from syne_tune.optimizer.schedulers.hyperband import HyperbandScheduler


def main() -> None:
    """Search the table, in its order, and print what it took."""
    table, workers, eta = np.load(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    n = len(table["losses"])
    # Two hyperparameters at least: with one, a row is not found again.
    inputs = np.column_stack([np.arange(n) / n, np.arange(n)[::-1] / n])
    curves = TableOfCurves(table["losses"], table["seconds"], inputs)
    scheduler = HyperbandScheduler(
        curves.space,
        searcher="random",
        points_to_evaluate=curves.points,
        reduction_factor=eta,
        type="stopping",
        **curves.objective,
    )
    begun = time.process_time()
    reports = curves.search(scheduler, workers)
    seconds = time.process_time() - begun
    reached = reports.groupby("trial_id").epoch.max().sort_index()
    print(json.dumps({"seconds": seconds, "epochs": reached.tolist()}))


if __name__ == "__main__":
    main()
