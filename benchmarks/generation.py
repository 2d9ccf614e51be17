"""What the parametrised detector costs, and what its events are made of: a part of `benchmarks.events`.

Times are processor times of one process, so that what else the machine does counts little. Pile-up comes
from a pool that is made before and not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlpf_hpo.events.detector import simulate
from mlpf_hpo.events.jets import generator_jets, generator_met, load_fastjet, visible
from mlpf_hpo.events.particles import Particles, merge
from mlpf_hpo.events.pileup import PileUpPool, make_pool
from mlpf_hpo.events.schema import CLASSES, TRACK, Event
from mlpf_hpo.events.sources.pythia import generate_particles
from mlpf_hpo.events.workers import Workers

SEED = 42


def generation(folder: Path, quick: bool) -> dict[str, float]:
    """Measure the detector at no pile-up and at 200, and count what the events are made of."""
    n_busy, n_quiet, pool_size = (12, 100, 400) if quick else (100, 400, 2000)
    seconds, hard = _timed(lambda: list(generate_particles("ttbar", SEED, range(max(n_busy, n_quiet)))))
    start, _ = _timed(lambda: list(generate_particles("ttbar", SEED, range(1))))
    pythia = (seconds - start) / (len(hard) - 1)
    with Workers(1) as crew:
        files = make_pool(crew, pool_size, SEED, folder, lambda *_: None)
    samples = {
        "ttbar_pu0": _without_pileup(hard[:n_quiet], pythia),
        "ttbar_pu200": _with_pileup(hard[:n_busy], PileUpPool.load(*files)),
    }
    return {f"{name}.{key}": value for name, numbers in samples.items() for key, value in numbers.items()}


def _without_pileup(hard: list[Particles], pythia: float) -> dict[str, float]:
    blocks = [hard[start : start + 50] for start in range(0, len(hard), 50)]
    _simulate(hard[:2])  # what is done once
    together, events = _timed(lambda: [event for block in blocks for event in _simulate(block)])
    alone, _ = _timed(lambda: [_simulate([collision]) for collision in hard])
    truth, _ = _timed(lambda: [_truth(block) for block in blocks])
    n = len(hard)
    return {
        "pythia_ms_per_event": 1e3 * pythia,
        "detector_ms_per_event": 1e3 * (together - truth) / n,
        "detector_share": (together - truth) / n / pythia,
        "generator_jets_share": truth / n / pythia,
        "alone_over_together": alone / together,
        **_composition(events),
    }


def _with_pileup(hard: list[Particles], pool: PileUpPool) -> dict[str, float]:
    generators = _generators(len(hard))
    busy = [merge([collision, pool.draw(200.0, g)]) for collision, g in zip(hard, generators, strict=True)]
    truth, _ = _timed(lambda: [_truth([collision]) for collision in busy])
    objects, _ = _timed(lambda: [_jets_of_objects(collision) for collision in busy])

    def overlay_and_simulate() -> list[Event]:
        made = []
        for number, (collision, g) in enumerate(zip(hard, _generators(len(hard)), strict=True)):
            overlaid = merge([collision, pool.draw(200.0, g)])
            made += simulate([overlaid], [g], [number], "ttbar", 200.0)
        return made

    total, events = _timed(overlay_and_simulate)
    return {
        "events_per_second_per_core": len(hard) / total,
        "generator_jets_share_of_time": truth / total,
        "jets_objects_over_arrays": objects / truth,
        "particles_mean": float(np.mean([len(collision) for collision in busy])),
        **_composition(events),
    }


def _composition(events: Sequence[Event]) -> dict[str, float]:
    """Return how many elements there are, of which kinds, and what is asked of them."""
    counts = np.array([len(event) for event in events])
    features = np.concatenate([event.features for event in events])
    targets = np.concatenate([event.targets for event in events])[:, 0]
    is_track = features[:, 0] == TRACK
    kinds = {"tracks": is_track, "ecal_towers": ~is_track & (features[:, 6] > 0)}
    kinds["hcal_towers"] = ~is_track & (features[:, 7] > 0)
    classes = {
        f"target_{name.replace(' ', '_')}_share": float((targets == code).mean())
        for code, name in enumerate(CLASSES)
    }
    return {
        "events": float(len(events)),
        "elements_mean": float(counts.mean()),
        "elements_width": float(counts.std(ddof=1)),
        "elements_min": float(counts.min()),
        "elements_max": float(counts.max()),
        **{f"{name}_share": float(kind.mean()) for name, kind in kinds.items()},
        **classes,
    }


def _simulate(collisions: list[Particles]) -> list[Event]:
    return simulate(collisions, _generators(len(collisions)), range(len(collisions)), "ttbar", 0.0)


def _truth(collisions: list[Particles]) -> tuple[Any, Any]:
    particles = merge(collisions)
    event = np.repeat(np.arange(len(collisions)), [len(collision) for collision in collisions])
    seen = visible(particles)
    arguments = particles.momentum[seen], event[seen], len(collisions)
    return generator_jets(*arguments), generator_met(*arguments)


def _jets_of_objects(collision: Particles) -> Any:
    """Find the jets by FastJet's interface of one Python object per particle."""
    fastjet = load_fastjet()
    inputs = [fastjet.PseudoJet(*row) for row in collision.momentum[visible(collision)].tolist()]
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    return fastjet.ClusterSequence(inputs, definition).inclusive_jets(5.0)


def _generators(n: int) -> list[np.random.Generator]:
    return [np.random.default_rng([SEED, number]) for number in range(n)]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    made = work()
    return time.process_time() - begin, made
