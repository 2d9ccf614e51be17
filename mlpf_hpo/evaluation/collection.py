"""Collection of a store's events and their reconstruction into a sample."""

from __future__ import annotations

import dataclasses

import numpy as np

from mlpf_hpo.array_types import FloatArray
from mlpf_hpo.errors import DataError
from mlpf_hpo.evaluation.jets import reconstructed_jets
from mlpf_hpo.evaluation.met import missing_momentum
from mlpf_hpo.evaluation.sample import Sample
from mlpf_hpo.events.schema import TRACK
from mlpf_hpo.events.store import EventStore


def collect(store: EventStore, predicted: FloatArray) -> Sample:
    """Put a store's events and the network's particles [N, 7] side by side.

    Where the generator's jets are not known, as with published events, those of the unique targets take their
    place, and so for the missing momentum.

    Raises
    ------
    DataError
        If the store has no rule-based candidates to compare with.
    """
    events = [store[i] for i in range(len(store))]
    candidates = [event.candidates for event in events if event.candidates is not None]
    if len(candidates) < len(events):
        raise DataError(
            f"{store.path}: has no rule-based candidates (ycand), which MLPF is compared with; use a "
            "store made by the stage `events`, or one imported with its candidates"
        )
    jets = [event.generator_jets for event in events if event.generator_jets is not None]
    met = [event.generator_met for event in events if event.generator_met is not None]
    known = len(jets) == len(met) == len(events)
    numbers = np.arange(len(events))
    sample = Sample(
        n_events=len(events),
        event=np.repeat(numbers, [len(event) for event in events]),
        is_track=np.concatenate([event.features[:, 0] == TRACK for event in events]),
        truth=np.concatenate([event.targets for event in events]).astype(np.float64),
        reconstructions={"mlpf": predicted, "ycand": np.concatenate(candidates).astype(np.float64)},
        jets=np.concatenate(jets).astype(np.float64) if known else np.zeros((0, 4)),
        jet_event=np.repeat(numbers, [len(one) for one in jets]) if known else np.zeros(0, dtype=np.int64),
        met=np.stack(met).astype(np.float64) if known else np.zeros((len(events), 2)),
        reference="generator" if known else "targets",
    )
    if known:
        return sample
    of_targets, jet_event = reconstructed_jets(sample, sample.truth)
    return dataclasses.replace(
        sample, jets=of_targets, jet_event=jet_event, met=missing_momentum(sample, sample.truth)
    )
