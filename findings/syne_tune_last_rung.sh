#!/usr/bin/env bash
# syne-tune 0.13.0: at the last rung ASHA lets more go on than 1/eta, however close that rung is to the end.
#
# Guess: with reduction_factor 3 the best third goes on at every rung.
# Seen: the share is the level over the next one, and after the last rung comes the end: of 100 epochs, rung 81 lets 81 %
#   go on; of 82 epochs 99 %. Only where the end is itself grace * eta^k is it a third everywhere. So for promotion, too.
# Matters where ASHA of two libraries is compared at a number of epochs that is not such a power.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check syne-tune==0.13.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

from syne_tune import config_space
from syne_tune.optimizer.schedulers.hyperband import HyperbandScheduler


def shares(epochs, kind):
    scheduler = HyperbandScheduler(
        {"x": config_space.uniform(0, 1), "epochs": epochs},
        searcher="random",
        metric="loss",
        mode="min",
        type=kind,
        resource_attr="epoch",
        max_resource_attr="epochs",
        grace_period=1,
        reduction_factor=3,
    )
    return {level: round(share, 2) for level, _, share in scheduler.terminator.information_for_rungs()}


seen = {(kind, epochs): shares(epochs, kind) for kind in ("stopping", "promotion") for epochs in (81, 100)}
for (kind, epochs), found in seen.items():
    print(f"{kind}, {epochs} epochs: {found}")
thirds = dict.fromkeys((1, 3, 9, 27), 0.33)
expected = {81: thirds, 100: {**thirds, 81: 0.81}}
sys.exit(any(found != expected[epochs] for (_, epochs), found in seen.items()))
PYTHON
