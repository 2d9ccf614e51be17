"""What validating a reconstruction costs: a part of `benchmarks.events`. Processor times of one process."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from mlpf_hpo.config import Params
from mlpf_hpo.evaluation.collection import collect
from mlpf_hpo.evaluation.physics_validation import validate_reconstruction
from mlpf_hpo.evaluation.reconstruction import reconstruct
from mlpf_hpo.events.generation import generate_store
from mlpf_hpo.mlpf.module import MLPFModule
from mlpf_hpo.workload.mlpf_training import CONFIGURATION

SEED = 42


def judging(folder: Path, quick: bool) -> dict[str, float]:
    """Judge an untrained network at the default widths: what it says costs as much as what is right."""
    pool_size = 400 if quick else 2000
    torch.set_num_threads(1)
    network = MLPFModule(CONFIGURATION, Params().network, SEED).network
    numbers = {}
    for name, pileup, n_events in (("pu0", 0.0, 50 if quick else 400), ("pu200", 200.0, 6 if quick else 100)):
        store = generate_store(folder / name, "ttbar", n_events, pileup, SEED, pool_size, workers=1)
        begin = time.process_time()
        predicted = reconstruct(network, store)
        between = time.process_time()
        validate_reconstruction(collect(store, predicted), {})
        end = time.process_time()
        numbers[f"judging.{name}.events"] = n_events
        numbers[f"judging.{name}.reconstruction_ms_per_event"] = 1e3 * (between - begin) / n_events
        numbers[f"judging.{name}.judgement_ms_per_event"] = 1e3 * (end - between) / n_events
    return numbers
