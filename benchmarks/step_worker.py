"""Steps on request, for comparisons between commits: this file alone runs in the environment of either.

    python step_worker.py

A request is a line of JSON on standard input, `{"case": NAME, "layers": [id, reg], ..., "sizes": [...]}`; the
answer a line with the processor seconds of a step. It takes only what every commit has had since the first
that it is compared with: `MLPFModule`, `NetworkParams`, and what a batch is read for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from mlpf_hpo.config import NetworkParams
from mlpf_hpo.hardware.memory import keep_freed_memory
from mlpf_hpo.mlpf.module import MLPFModule

LONG_ENOUGH = 0.1
"""Seconds that a turn takes at least: short steps are repeated."""


def batch_of(sizes: list[int]) -> Any:
    """Return a made-up batch of events of these sizes."""
    generator = np.random.default_rng(sizes)
    n = sum(sizes)
    x, y = (generator.lognormal(size=(n, columns)).astype(np.float32) for columns in (12, 7))
    x[:, 0] = generator.integers(1, 3, n)
    y[:, 0] = generator.integers(1, 6, n)
    y[generator.random(n) < 0.05] = 0
    ptr = torch.tensor(np.cumsum([0, *sizes]))
    return SimpleNamespace(x=torch.from_numpy(x), y=torch.from_numpy(y), ptr=ptr, num_graphs=len(sizes))


def step_of(request: dict[str, Any]) -> Callable[[], None]:
    """Return a training step, or a reconstruction if the request says so."""
    n_id, n_reg = request["layers"]
    configuration = {
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "dropout": 0.1,
        "n_glayers_id": n_id,
        "n_glayers_reg": n_reg,
        "output_dim": request["width"],
        "bin_size": request["bin"],
    }
    module = MLPFModule(configuration, NetworkParams(**request["network"]), seed=1)
    batch = batch_of(request["sizes"])
    if request["inference"]:
        network = module.network.eval()

        @torch.inference_mode()
        def reconstruct() -> None:
            network(batch.x, batch.ptr)

        return reconstruct
    optimiser = module.train().configure_optimizers()

    def train() -> None:
        optimiser.zero_grad()
        module.training_step(batch, 1).backward()
        optimiser.step()

    return train


def main() -> None:
    """Answer requests until there are no more."""
    torch.set_num_threads(1)
    keep_freed_memory()
    steps: dict[str, Callable[[], None]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["case"] not in steps:
            steps.clear()
            steps[request["case"]] = step_of(request)
            for _ in range(3):
                steps[request["case"]]()
        begin, times = time.process_time(), 0
        while time.process_time() - begin < LONG_ENOUGH:
            steps[request["case"]]()
            times += 1
        print((time.process_time() - begin) / times, flush=True)


if __name__ == "__main__":
    main()
