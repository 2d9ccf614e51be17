"""Where the particles of an event come from, by the name of the process; one file per generator.

An installed package adds a process by an entry point of `mlpf_hpo.event_sources`, which leads to an
`EventSource`. Its name then stands for `process` in params.yaml and on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from mlpf_hpo.events.particles import Particles
from mlpf_hpo.events.sources.guns import GUNS, GunSource
from mlpf_hpo.events.sources.pythia import PythiaSource
from mlpf_hpo.extensions import Registry


class EventSource(Protocol):
    """What makes the stable particles of a collision; pile-up and the detector's response come after it."""

    def particles(self, seed: int, numbers: Iterable[int]) -> Iterator[Particles]:
        """Yield the particles of the events with these numbers.

        Each event follows from the sample's seed and its number; equal calls give equal bytes, in whichever
        process. Numbers come in blocks of `generation.BLOCK`.

        Raises
        ------
        ConfigurationError
            If the generator is not installed, or cannot make the events.
        """
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return what the manifest of a store says of it, as JSON holds it: other settings, other events."""
        ...


SOURCES: Registry[EventSource] = Registry(
    "mlpf_hpo.event_sources",
    "process",
    {**{name: PythiaSource(name) for name in ("ttbar", "qcd")}, **{name: GunSource(name) for name in GUNS}},
)
"""By process; minimum bias is for pile-up and no process of its own."""
