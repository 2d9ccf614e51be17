"""Mock of a D-Wave annealer: embedding in chains on a full graph, with simulated annealing."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import dwave.samplers
from dwave.system.testing import MockDWaveSampler

from mlpf_hpo.errors import ConfigurationError, did_you_mean
from mlpf_hpo.predictors.qubo import Qubo
from mlpf_hpo.predictors.samplers.base import SampleResult, require_at_least_one
from mlpf_hpo.predictors.samplers.control_error import ControlError, ProgrammedSampler
from mlpf_hpo.predictors.samplers.qpu import QuantumAnnealer
from mlpf_hpo.seeds import library_seed

GRAPHS = {"pegasus": [16], "zephyr": [12, 4]}
"""Shapes of the full graphs of an Advantage and an Advantage2."""


@dataclass(frozen=True)
class MockAnnealer:
    """What `QuantumAnnealer` does, its chains included, on Ocean's offline device with every qubit working.

    Attributes
    ----------
    reads : int
        Number of anneals.
    sweeps : int
        Of the simulated annealing of the embedded problem.
    topology : {"pegasus", "zephyr"}
        Of the device.
    chain_strength_factor : float or "auto"
        As for `QuantumAnnealer`.
    control : ControlError
        Precision and errors of the coefficients; none by default.
    """

    reads: int = 100
    sweeps: int = 100
    topology: str = "pegasus"
    chain_strength_factor: float | Literal["auto"] = "auto"
    control: ControlError = field(default_factory=ControlError)

    def __post_init__(self) -> None:
        require_at_least_one(reads=self.reads, sweeps=self.sweeps)
        if self.topology not in GRAPHS:
            hint, known = did_you_mean(self.topology, GRAPHS), ", ".join(GRAPHS)
            raise ConfigurationError(f"topology = {self.topology!r}: no such topology{hint}; known: {known}")

    def sample(self, qubo: Qubo, seed: int) -> SampleResult:
        """Embed and anneal; `info` has no timings of a QPU, because the device's are constants."""
        device = copy.copy(_device(self.topology))
        given = library_seed("simulated annealing", seed)
        device.substitute_kwargs = {"num_sweeps": self.sweeps, "seed": given}
        if self.control != ControlError():
            device.substitute_sampler = ProgrammedSampler(
                device.substitute_sampler, self.control, device.properties, seed
            )
        annealer = QuantumAnnealer(
            self.reads, chain_strength_factor=self.chain_strength_factor, device=device
        )
        result = annealer.sample(qubo, seed)
        invented = ("timing.", "device_seconds", "annealing_time", "problem_id")
        info = {name: value for name, value in result.info.items() if not name.startswith(invented)}
        return replace(result, info={**info, "sweeps": self.sweeps})


@functools.cache
def _device(topology: str) -> Any:
    """Return the device, made once per process."""
    return MockDWaveSampler(
        topology_type=topology,
        topology_shape=GRAPHS[topology],
        substitute_sampler=dwave.samplers.SimulatedAnnealingSampler(),
        parameter_warnings=False,
    )
