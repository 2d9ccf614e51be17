#!/usr/bin/env bash
# syne-tune 0.13.0: stopping ASHA treats a trial at its limit by the rounding of 1/eta, one way or the other by mode.
#
# Guess: negated values with mode max are decided as the values are with mode min. By its documentation a trial goes on if
#   its value is at least as good as the 1/eta quantile of all at the rung.
# Seen: of ten values at a rung, eta 3, the fourth best is that quantile. It goes on with mode min, and is stopped with
#   mode max, where 1 - 1/3 is rounded up.
# Matters where decisions of two implementations are compared: about one in a thousand differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check syne-tune==0.13.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

from syne_tune.optimizer.schedulers.hyperband_stopping import StoppingRungSystem


def passes(mode, sign):
    rungs = StoppingRungSystem([1], [1 / 3], "loss", mode, "epoch", 9)
    report = None
    for trial, value in enumerate([0, 1, 2, 4, 5, 6, 7, 8, 9, 3]):
        report = rungs.on_task_report(str(trial), {"epoch": 1, "loss": sign * float(value)}, 0)
    return report["task_continues"]


found = passes("min", 1), passes("max", -1)
print(f"the fourth best of ten goes on: {found[0]} with mode min, {found[1]} with mode max")
sys.exit(found != (True, False))
PYTHON
