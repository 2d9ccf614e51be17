"""A campaign read back on request, to compare commits: this file alone runs in the environment of either.

    python readback_worker.py

A request is a line of JSON on standard input, `{"uri": ..., "campaign": ...}`; the answer a line of JSON with
the seconds of the reading and the number of points that were read.
"""

from __future__ import annotations

import json
import sys
import time

from mlpf_hpo.tracking import reader
from mlpf_hpo.tracking.client import connect


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        client = connect(request["uri"])
        # So that what is set up at the first question is not measured.
        reader.trials(client, "campaign", request["campaign"], metrics=())
        begin, processor = time.perf_counter(), time.process_time()
        found = reader.trials(client, "campaign", request["campaign"])
        answer = {"seconds": time.perf_counter() - begin, "processor": time.process_time() - processor}
        points = sum(len(curve) for trial in found for curve in trial.metrics.values())
        print(json.dumps({**answer, "points": points}), flush=True)


if __name__ == "__main__":
    main()
